import numpy as np
import pytest
from scipy.stats import kstest

from aigc_market_env.scenarios.streams import (
    fill_normals,
    fill_uniforms,
    next_uniform,
    seed_streams,
    take_back,
    uniforms,
)

#: SplitMix64 from seed 1234567, as published with many implementations.
REFERENCE = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)
ALL = 2**64 - 1


def test_numbers_are_those_of_the_reference():
    streams = np.array([0, 1234567], np.uint64)
    for output in REFERENCE:
        assert next_uniform(streams, 1) == (output // 2**12 + 0.5) / 2**52
    assert streams[0] == 0


def state_before(output):
    """The state from which the next output is this: the mixing undone."""

    def unshift(z, by):
        result = z
        for _ in range(64 // by + 1):
            result = z ^ (result >> by)
        return result

    z = unshift(output, 31) * pow(0x94D049BB133111EB, -1, 2**64) & ALL
    z = unshift(z, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) & ALL
    return (unshift(z, 30) - 0x9E3779B97F4A7C15) & ALL


@pytest.mark.parametrize("output", [0, 1, 2**11, 2**12, 2**63, ALL - 2**11, ALL])
def test_the_interval_is_open_at_either_end(output):
    number = next_uniform(np.array([state_before(output)], np.uint64), 0)
    assert 0.0 < number < 1.0
    assert number == pytest.approx(output / 2**64, abs=2.0**-52)


def test_the_unmixing_of_this_test_is_right():
    assert state_before(REFERENCE[0]) == 1234567


def test_uniforms_fill_the_interval():
    numbers = uniforms(seed_streams([np.random.default_rng(i) for i in range(50)]), 2000)
    assert numbers.shape == (50, 2000)
    assert numbers.min() > 0.0
    assert numbers.max() < 1.0
    assert abs(numbers.mean() - 0.5) < 4 * np.sqrt(1 / 12 / numbers.size)
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert ((counts - 5000) ** 2 / 5000).sum() < 44  # chi-squared, 19 degrees of freedom, p = 0.001
    assert np.abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 4 / np.sqrt(numbers.size)


def normals(stream, count):
    numbers = np.empty(count)
    fill_normals(stream, 0, numbers)
    return numbers


def test_normals_are_normal():
    numbers = normals(seed_streams([np.random.default_rng(0)]), 400_000)
    assert kstest(numbers, "norm").pvalue > 1e-3
    for power, moment, deviation in ((1, 0, 1.0), (2, 1, 2**0.5), (3, 0, 15**0.5), (4, 3, 96**0.5)):
        assert abs((numbers**power).mean() - moment) < 4 * deviation / np.sqrt(numbers.size)
    first, second = np.split(numbers, 2)  # made in pairs
    for one, other in ((first, second), (first**2, second**2), (numbers[:-1], numbers[1:])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(one.size)


def test_normals_are_those_of_box_and_muller():
    stream, twin = np.array([5], np.uint64), np.array([5], np.uint64)
    drawn = [next_uniform(twin, 0) for _ in range(40)]
    radius, angle = np.sqrt(-2 * np.log(drawn[::2])), 2 * np.pi * np.array(drawn[1::2])
    expected = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    np.testing.assert_allclose(normals(stream, 40), expected, rtol=1e-13)
    assert stream == twin


@pytest.mark.parametrize("output", [0, ALL])
def test_normals_are_finite_at_the_ends_of_the_interval(output):
    assert np.isfinite(normals(np.array([state_before(output)], np.uint64), 2)).all()


def test_a_lane_goes_on_whatever_its_neighbours_do():
    alone, beside = np.array([99], np.uint64), np.array([7, 99, 8], np.uint64)
    first = uniforms(alone, 5)
    assert np.array_equal(uniforms(beside, 5)[1], first[0])
    assert np.array_equal(uniforms(beside, 3)[1], uniforms(alone, 3)[0])
    assert alone[0] == beside[1]


def test_streams_are_seeded_by_generators():
    one, same, other = seed_streams([np.random.default_rng(seed) for seed in (5, 5, 6)])
    assert one == same != other
    assert one.dtype == np.uint64


def test_numbers_taken_back_come_again():
    one, other = np.array([7, 2**64 - 1], np.uint64), np.array([7, 2**64 - 1], np.uint64)
    numbers = np.empty(5)
    fill_uniforms(one, 1, numbers)
    take_back(one, 1, 3)
    assert [next_uniform(other, 1) for _ in range(2)] == list(numbers[:2])
    assert np.array_equal(one, other)
    assert [next_uniform(one, 1) for _ in range(3)] == list(numbers[2:])
