import errno
import io

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image
from rich.console import Console

from agents.reports.episode import Episode
from agents.reports.video import frames, write_video

QUIET = Console(file=io.StringIO())


def made_up(num_mus=3, num_asps=2, slots=4, seed=0):
    rng = np.random.default_rng(seed)
    learned, equilibrium = np.exp(rng.uniform(-5.0, 0.0, (2, slots, num_mus, num_asps)))
    learned[0, 0, 0] = equilibrium[-1, 0, 0] = np.nan
    return Episode("made up", learned, equilibrium, rng.random(slots), np.zeros(slots))


def decoded(path):
    with Image.open(path) as image:
        found = []
        for i in range(image.n_frames):
            image.seek(i)
            found.append(np.asarray(image.convert("RGB")))
        return found


def test_every_slot_is_a_frame_of_the_same_size(tmp_path):
    episode, path = made_up(), tmp_path / "episode.gif"
    write_video(episode, path, QUIET)
    found = decoded(path)
    drawn = list(frames(episode))
    assert len(found) == len(drawn) == 4
    assert len({image.tobytes() for image in drawn}) == 4
    for image, original in zip(found, drawn, strict=True):
        assert image.shape == original.shape
        assert 600 < image.shape[1] <= 1000
        difference = np.abs(image.astype(float) - original)
        assert difference.mean() < 3.0  # a palette of few colours, and no other frame's
    assert [path.name for path in tmp_path.iterdir()] == ["episode.gif"]


def test_the_same_episode_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_video(made_up(seed=seed), tmp_path / name, QUIET)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_a_campus_episode_fits_a_page(tmp_path):
    write_video(made_up(8, 4, 24), tmp_path / "episode.gif", QUIET)
    assert (tmp_path / "episode.gif").stat().st_size < 3e6


def cells(image, num_mus, num_asps, left, width):
    """The colours of one heat map's cells, each near a corner that is free of text. (M, N, 3)."""
    height, pixels = image.shape[:2]
    rows = (0.16 + 0.48 * (np.arange(num_mus) + 0.12) / num_mus) * height
    columns = (left + width * (np.arange(num_asps) + 0.1) / num_asps) * pixels
    return image[np.ix_(rows.astype(int), columns.astype(int))]


def test_learned_rewards_are_left_and_those_at_equilibrium_right():
    rng, apart = np.random.default_rng(0), np.geomspace(0.01, 1.0, 12)
    learned, equilibrium = (np.stack([rng.permutation(apart).reshape(4, 3) for _ in range(2)]) for _ in range(2))
    episode = Episode("made up", learned, equilibrium, np.ones(2), np.zeros(2))
    for slot, image in enumerate(frames(episode)):
        for left, shares in ((0.075, episode.learned), (0.5, episode.equilibrium)):
            darkness = 765.0 - cells(image, 4, 3, left, 0.365).sum(axis=-1, dtype=float)
            assert (np.argsort(darkness, axis=None) == np.argsort(shares[slot], axis=None)).all()


@pytest.mark.parametrize("size", [(1, 1), (50, 10)])
def test_markets_of_any_size_are_drawn(size):
    image = next(frames(made_up(*size, slots=1)))
    assert image.std() > 10


def test_an_episode_in_which_nobody_is_served_is_drawn():
    nobody = np.full((2, 2, 1), np.nan)
    assert len(list(frames(Episode("nobody", nobody, nobody, np.zeros(2), np.zeros(2))))) == 2


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "episode.gif"
    write_video(made_up(), path, QUIET)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        patch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(full))
        with pytest.raises(OSError, match=r"episode\.gif'$"):
            write_video(made_up(seed=1), path, QUIET)
    assert path.read_bytes() == before
    assert imread(path).size
