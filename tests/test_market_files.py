"""Markets in JSON files: bit for bit, and refused by file and field where they are not valid."""

import json

import numpy as np
import pytest
from markets import DIMS, fields, random_market

from aigc_market_env import Market, Scenario


@pytest.mark.parametrize("seed", range(20))
def test_json_round_trip_is_bit_for_bit(tmp_path, seed):
    rng = np.random.default_rng(seed)
    market = random_market(rng, *rng.integers(1, 7, 2), 1.0)
    market.to_json(tmp_path / "m.json")
    again = Market.from_json(str(tmp_path / "m.json"))
    for name in DIMS:
        assert getattr(again, name).tobytes() == getattr(market, name).tobytes()


def test_a_file_names_its_schema_and_exactly_the_fields(tmp_path, market):
    market.to_json(tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    assert document.pop("schema") == "aigc-market/1"
    assert set(document) == set(DIMS) - {"satiation"}
    assert document["accuracy"] == market.accuracy.tolist()


def test_a_batch_is_not_written(tmp_path, batch):
    with pytest.raises(ValueError, match=r"one market.*\(4, 5\)"):
        batch.to_json(tmp_path / "m.json")
    assert not (tmp_path / "m.json").exists()


def document_of(market, **changes):
    return {"schema": "aigc-market/1"} | {name: value.tolist() for name, value in fields(market).items()} | changes


def read(tmp_path, text):
    (tmp_path / "broken.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Market.from_json(tmp_path / "broken.json")


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        Market.from_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    "text", ["", "not json", "{", b"\xff\xfe\x00", "[" * 100_000, '{"schema": "aigc-market/1", "slot']
)
def test_what_is_not_json_is_refused_by_file_name(tmp_path, text):
    with pytest.raises(ValueError, match=r"broken\.json: not a JSON document"):
        read(tmp_path, text)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, market, share):
    text = json.dumps(document_of(market))
    with pytest.raises(ValueError, match=r"broken\.json: not a JSON document"):
        read(tmp_path, text[: int(share * len(text))])


@pytest.mark.parametrize("value", [[], 3, "x", None])
def test_a_document_that_is_no_object_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"broken\.json: expected a JSON object"):
        read(tmp_path, json.dumps(value))


@pytest.mark.parametrize("schema", ["aigc-market/2", None, 1, []])
def test_another_schema_is_refused(tmp_path, market, schema):
    with pytest.raises(ValueError, match=r"broken\.json: field 'schema' must be 'aigc-market/1'"):
        read(tmp_path, json.dumps(document_of(market, schema=schema)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_may_begin_with_a_byte_order_mark(tmp_path, market, encoding):
    path = tmp_path / "market.json"
    path.write_bytes(json.dumps(document_of(market)).encode(encoding))
    assert Market.from_json(path) == market
    assert Scenario.of(path).sample(0) == market


def test_a_file_without_schema_is_refused(tmp_path, market):
    document = document_of(market)
    del document["schema"]
    with pytest.raises(ValueError, match="field 'schema'"):
        read(tmp_path, json.dumps(document))


@pytest.mark.parametrize("name", sorted(set(DIMS) - {"satiation"}))
def test_a_missing_field_is_named(tmp_path, market, name):
    document = document_of(market)
    del document[name]
    with pytest.raises(ValueError, match=rf"broken\.json: missing field '{name}'"):
        read(tmp_path, json.dumps(document))


def test_satiation_is_in_a_file_where_there_is_some(tmp_path, market):
    satiated = market.replace(satiation=[0.0, 1e-12, 6.5])
    satiated.to_json(tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text())["satiation"] == [0.0, 1e-12, 6.5]
    assert Market.from_json(tmp_path / "m.json") == satiated != market
    with pytest.raises(ValueError, match=r"broken\.json: field 'satiation': satiation\[1\] = 101 must be .* <= 100"):
        read(tmp_path, json.dumps(document_of(market, satiation=[0, 101, 0])))


def test_an_unknown_field_is_named(tmp_path, market):
    with pytest.raises(ValueError, match=r"broken\.json: unknown field 'latency'"):
        read(tmp_path, json.dumps(document_of(market, latency=1.0)))


@pytest.mark.parametrize("name", DIMS)
def test_batch_axes_in_a_file_are_refused(tmp_path, market, name):
    with pytest.raises(ValueError, match=rf"broken\.json: field '{name}' must have {len(DIMS[name])} axes"):
        read(tmp_path, json.dumps(document_of(market, **{name: [getattr(market, name).tolist()]})))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_in_a_file_must_be_finite(tmp_path, market, literal):
    text = json.dumps(document_of(market, slot_duration="HERE")).replace('"HERE"', literal)
    with pytest.raises(ValueError, match=r"broken\.json: field 'slot_duration'.*must be finite and > 0"):
        read(tmp_path, text)


@pytest.mark.parametrize("value", [None, "3", [1, "2", 3], [[1], 2, 3], {"a": 1}, [True, True, True]])
def test_values_in_a_file_must_be_numbers(tmp_path, market, value):
    with pytest.raises(ValueError, match=r"broken\.json: field 'patience' must be a rectangular array of numbers"):
        read(tmp_path, json.dumps(document_of(market, patience=value)))
