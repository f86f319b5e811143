"""TensorBoard's event files of a run that goes on: what was written after its checkpoint is taken out of them."""

from collections.abc import Container
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from agents.training.tags import EVALUATION_GROUPS
from aigc_market_env.files import replacing

_FILES = "events.out.tfevents.*"


def keep_events(folder: Path, step: int, evaluations: Container[float]) -> bool:
    """Take out of the event files in a folder what a run goes on to write again; whether anything is left.

    The files themselves are changed, because what readers make of a restart that is only marked depends on the reader.

    Args:
        folder: with any number of event files, of any number of processes.
        step: at which the run goes on; everything later is taken out, but for
        evaluations: steps of the evaluations that the run knows; all others are taken out.
    """
    for left_over in folder.glob(f"{_FILES}.new"):  # by a process that was killed below
        left_over.unlink()
    kept = [_keep_events_of(path, step, evaluations) for path in sorted(folder.glob(_FILES))]
    return any(kept)


def delete_events(folder: Path) -> None:
    """Delete the event files in a folder, of a run that begins anew."""
    for path in folder.glob(_FILES):
        path.unlink()


def _keep_events_of(path: Path, step: int, evaluations: Container[float]) -> bool:
    events = [event for event in LegacyEventFileLoader(str(path)).Load() if _stays(event, step, evaluations)]
    if not any(event.HasField("summary") for event in events):
        path.unlink()
        return False
    with replacing(path) as new, new.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
    return True


def _stays(event: Event, step: int, evaluations: Container[float]) -> bool:
    if any(value.tag.startswith(EVALUATION_GROUPS) for value in event.summary.value):
        return event.step in evaluations
    return bool(event.step <= step)
