"""YAML of users: keys are unique, 1e-2 is a number, and every refusal names the file."""

from pathlib import Path

import pytest

from aiida_cse.yaml_io import dump_mapping, parse_mapping, read_mapping, read_text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"x\.yaml: not valid YAML: line 3, column 1: the key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
        ("- a", r"x\.yaml: a recipe must be a mapping of keys to values, not list"),
        ("", "not NoneType"),
        ("a: [", "not valid YAML"),
        ("a:\n  b: 1\n c: 2", r"line 3, column 2: the line is not indented as its neighbours"),
        ("a: !!python/object:os.system x", "not valid YAML"),
        ("a: !!bool maybe", "not valid YAML"),
        ("a: &a [*a]", "more than 50 levels"),
        ("[" * 2000, "x.yaml: "),
    ],
)
def test_invalid_documents_are_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_mapping(text, "x.yaml", "a recipe")


def test_numbers_with_an_exponent_are_numbers() -> None:
    assert parse_mapping("a: 1e-2\nb: -1E5\nc: '1e-2'\nd: 1.5e3", "x", "x") == {
        "a": 0.01,
        "b": -1e5,
        "c": "1e-2",
        "d": 1500.0,
    }


def test_merged_keys_may_be_overridden() -> None:
    found = parse_mapping("base: &b {x: 1, y: 2}\nown: {<<: *b, y: 3}", "x", "x")
    assert found["own"] == {"x": 1, "y": 3}


def test_written_mappings_are_read_back_unchanged() -> None:
    content = {"name": "1e5", "x": 1e-5, "y": [1, True, None, "a: b\n"], "z": {"é": 0.1}}
    assert parse_mapping(dump_mapping(content), "x", "x") == content


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.yaml: cannot be read: No such file"):
        read_mapping(tmp_path / "none.yaml", "a recipe")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"binary\.yaml: not UTF-8 text: byte 0 is 0xff; save the file as UTF-8"):
        read_mapping(tmp_path / "binary.yaml", "a recipe")
    (tmp_path / "long.yaml").write_text("a: 1")
    with pytest.raises(ValueError, match=r"long\.yaml: has 4 bytes; a recipe has at most 3"):
        read_text(tmp_path / "long.yaml", "a recipe", most_bytes=3)
