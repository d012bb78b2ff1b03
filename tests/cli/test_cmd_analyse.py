"""``aiida-cse analyse`` and ``aiida-cse kinetics`` without a profile, on the small interface of this folder."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from aiida_cse.reduction import reduce
from aiida_cse.reduction.state import State
from aiida_cse.report.results import load_results
from tests.nodes import long_state
from tests.reduction.synthetic import write_dcd

SMALL = Path(__file__).parents[1] / "small_interface"
REGIONS = ("bulk_left", "layer_left", "ceramic", "layer_right", "bulk_right")


def invoke(*arguments: object, **extra: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **extra)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SMALL, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return Path()


def analyse(*arguments: object, temperature: float = 600.0, **extra: Any) -> Result:
    return invoke("analyse", *arguments, "--temperature", temperature, "--out", "found", **extra)


def small(*arguments: object, **extra: Any) -> Result:
    return analyse("run.dump", "--system", "box.data", "--config", "regions.yaml", *arguments, **extra)


def test_the_small_interface_gives_its_known_numbers(folder: Path) -> None:
    result = small()
    assert result.exit_code == 0, result.output
    found = load_results("found/results.json")
    ions = found.populations_in_time.ions
    assert [ions["Li"][region][0] for region in REGIONS] == [1, 0, 2, 2, 3]
    assert [ions["TFSI"][region][0] for region in REGIONS] == [3, 0, 0, 1, 4]
    moved = found.observables["displacement_variance"]
    samples = np.nansum(moved.array("li_samples"))
    squares = moved.array("li_samples") * (
        moved.array("li_variance_A2")[..., 1] + moved.array("li_mean_A")[..., 1] ** 2
    )
    assert samples == 40
    assert np.nansum(squares) == pytest.approx(129.6, abs=0.05)


def test_numbers_and_verdict_are_printed_within_80_columns(folder: Path) -> None:
    lines = small().output.splitlines()
    assert any(line.startswith("✗ found, 600 K, ") for line in lines)
    assert any(line.startswith("  ✗ Li: EC 0.000 (needs ≥ 0.5)") for line in lines)
    hints = ("written to", "again, without")
    assert [line for line in lines if len(line) > 80 and not line.startswith(hints)] == []


def test_tables_are_tidy_with_units_in_the_heading(folder: Path) -> None:
    small()
    with Path("found/populations_in_time.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"time_ns": "0.0", "ion": "Li", "region": "ceramic", "ions": "2.0"} in rows
    with Path("found/density_profiles.csv").open() as file:
        assert next(csv.reader(file)) == ["z_A", "of", "density_per_A3", "error_per_A3"]
    written = {path.name for path in Path("found").iterdir()}
    assert {"results.json", "state.npz", "transitions.csv", "charge_integral.csv", "numbers.csv"} <= written


def test_a_state_gives_the_results_of_its_trajectory(folder: Path) -> None:
    small()
    result = invoke("analyse", "found/state.npz", "--out", "again")
    assert result.exit_code == 0, result.output
    first, second = (load_results(f"{name}/results.json") for name in ("found", "again"))
    assert first.observables == second.observables


def test_a_state_knows_its_temperature_and_its_sources(folder: Path) -> None:
    small()
    result = invoke("analyse", "found/state.npz", "--temperature", 700)
    assert result.exit_code == 2
    assert result.output.endswith("--temperature = 700: the state is of a run at 600 K; omit it or give 600\n")
    invoke("analyse", "found/state.npz", "--out", "again")
    assert load_results("again/results.json").sources == load_results("found/results.json").sources


def test_a_part_of_a_run_is_named_as_it_was_rounded(folder: Path) -> None:
    assert "analysed" not in small().output
    result = invoke("analyse", "found/state.npz", "--start", 0.003, "--end", 0.011, "--out", "part")
    assert result.exit_code == 0, result.output
    words = "0.004 to 0.009 ns after the first frame (3 blocks of 0.002 ns)"
    assert f"analysed  {words}\n" in result.output
    assert f"analysed: {words}" in load_results("part/results.json").notes


def test_a_trajectory_needs_a_temperature(folder: Path) -> None:
    result = invoke("analyse", "run.dump", "--system", "box.data", "--config", "regions.yaml")
    assert result.exit_code == 2
    assert result.output.startswith("Error: --temperature: is missing")


def test_a_box_that_changes_has_bins_of_a_fixed_width(folder: Path) -> None:
    frames = Path("run.dump").read_text().split("ITEM: TIMESTEP\n")[1:]
    scaled = [
        frame.replace("-42.0 42.0", f"{-42 - number / 100} {42 + number / 100}")
        for number, frame in enumerate(frames)
    ]
    Path("run.dump").write_text("".join(f"ITEM: TIMESTEP\n{frame}" for frame in scaled))
    regions = yaml.safe_load(Path("regions.yaml").read_text())
    del regions["sampling"]["lags_ps"]
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    result = small()
    assert result.exit_code == 0, result.output
    assert "bins of 0.2 Å and no displacements, because the box changes" in " ".join(result.output.split())
    found = load_results("found/results.json")
    assert found.sampling.bin_width_A == 0.2
    assert "displacement_variance" in found.missing


def test_a_state_refuses_options_of_a_trajectory(folder: Path) -> None:
    small()
    result = invoke("analyse", "found/state.npz", "--temperature", 600, "--frame-ps", 2)
    assert result.exit_code == 2
    assert "--frame-ps: found/state.npz is a state, which contains this; omit the option" in result.output


def test_the_sources_have_sizes_and_checksums(folder: Path) -> None:
    import hashlib

    small()
    (source,) = load_results("found/results.json").sources
    content = Path("run.dump").read_bytes()
    assert (source.name, source.bytes, source.sha256, source.first_step, source.frames) == (
        "run.dump",
        len(content),
        hashlib.sha256(content).hexdigest(),
        0,
        12,
    )


def test_without_a_sampling_it_follows_from_the_length_of_the_run(folder: Path) -> None:
    regions = yaml.safe_load(Path("regions.yaml").read_text())
    del regions["sampling"]
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    result = small("--frame-ps", 1)
    assert result.exit_code == 0, result.output
    words = "1 ps for snapshots, blocks and displacements, because the run has 12 ps"
    assert words in " ".join(result.output.split())
    assert State.load("found/state.npz").config.snapshot_ps == 1


def test_a_dump_without_times_asks_for_them(folder: Path) -> None:
    regions = yaml.safe_load(Path("regions.yaml").read_text())
    del regions["sampling"]
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    result = small()
    assert result.exit_code == 2
    assert result.output == (
        "Error: --frame-ps: run.dump does not say how long a step is; give the time between frames in ps\n"
    )


def test_parts_in_any_order_with_an_overlap_are_one_run(folder: Path) -> None:
    frames = Path("run.dump").read_text().split("ITEM: TIMESTEP\n")[1:]
    for name, part in (("a", frames[:7]), ("b", frames[5:])):
        Path(f"{name}.dump").write_text("".join(f"ITEM: TIMESTEP\n{frame}" for frame in part))
    small()
    whole = State.load("found/state.npz")
    result = analyse("b.dump", "a.dump", "--system", "box.data", "--config", "regions.yaml")
    assert result.exit_code == 0, result.output
    assert "the files were put in the order of time: a.dump, b.dump" in result.output
    assert State.load("found/state.npz").equals(whole)


def test_an_interrupted_reduction_is_continued_to_the_same_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small()
    whole = State.load("found/state.npz")
    monkeypatch.setattr(reduce, "_PIECES", 4)
    calls, usual = [], reduce.stream

    def interrupted(*arguments: Any) -> State:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return usual(*arguments)

    monkeypatch.setattr(reduce, "stream", interrupted)
    result = small()
    assert result.exit_code == 130
    assert "interrupted: 6 frames up to step 2500 are in found/state.partial.npz" in result.output
    assert "--previous found/state.partial.npz" in result.output
    assert State.load("found/state.partial.npz").frames == 6
    result = small("--previous", "found/state.partial.npz")
    assert result.exit_code == 0, result.output
    assert State.load("found/state.npz").equals(whole)


def wrap_dump(path: Path) -> None:
    """Wrap the coordinates of a dump into its box, under the names of wrapped ones."""
    lines = []
    for line in path.read_text().replace("xu yu zu", "x y z").splitlines():
        words = line.split()
        if len(words) == 5 and words[0].isdigit():
            places = [float(word) for word in words[2:]]
            inside = [(place + edge) % (2 * edge) - edge for place, edge in zip(places, (7, 8, 42), strict=True)]
            words[2:] = [f"{place:.4f}" for place in inside]
        lines.append(" ".join(words))
    path.write_text("\n".join(lines) + "\n")


def test_wrapped_coordinates_are_refused_or_unwrapped_aloud(folder: Path) -> None:
    small()
    sound = State.load("found/state.npz")
    wrap_dump(Path("run.dump"))
    refused = small()
    assert refused.exit_code == 2
    assert "its coordinates are wrapped into the box" in refused.output
    assert "--unwrap" in refused.output
    unwrapped = small("--unwrap")
    assert unwrapped.exit_code == 0, unwrapped.output
    assert "unwrapped by the nearest image from frame to frame; the largest move was" in " ".join(
        unwrapped.output.split()
    )
    found = State.load("found/state.npz")
    assert np.array_equal(found.region_counts, sound.region_counts)
    squares = found.displacement_moments("Li").squares[..., 1].sum()
    assert squares == pytest.approx(129.6, abs=0.05)


def test_an_observable_without_an_answer_leaves_the_others(folder: Path) -> None:
    frames = Path("run.dump").read_text().split("ITEM: TIMESTEP\n")[1:]
    Path("run.dump").write_text("".join(f"ITEM: TIMESTEP\n{frame}" for frame in frames[:2]))
    regions = yaml.safe_load(Path("regions.yaml").read_text())
    regions["sampling"] |= {"lags_ps": []}
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    result = small()
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert "– displacement variance the reduction has no displacements (`sampling.lags_ps`)" in words
    assert "populations" in load_results("found/results.json").observables


def test_a_side_without_a_barrier_has_its_reason_printed(folder: Path) -> None:
    words = " ".join(small().output.split())
    assert "– barrier of Li, left (K) Li, left: counts: all bins of the well, -22.5 to -16 Å, are empty" in words


def test_undescribed_atoms_are_refused_with_the_ways_to_describe_them(folder: Path) -> None:
    result = analyse("run.dump", "--system", "box.data", "--frame-ps", 1)
    assert result.exit_code == 2
    assert result.output.startswith("Error: box.data: label 'Fr' is no type of the recipe llzo-peo-litfsi")
    assert result.output.rstrip().endswith("give --config, --recipe or --propose-regions")


def test_a_data_file_without_labels_is_said_to_have_none(folder: Path) -> None:
    Path("bare.data").write_text(re.sub(" # (Fr|Li|An)", "", Path("box.data").read_text()))
    result = analyse("run.dump", "--system", "bare.data", "--frame-ps", 1, "--recipe", "llzo-peo-litfsi")
    assert result.exit_code == 2
    assert result.output == (
        "Error: bare.data: has no labels of its atom types (type 1 has none), which a recipe could explain, so "
        "that nothing says which atoms are the ions; give --config or --propose-regions\n"
    )


def test_a_missing_thickness_says_where_it_is_given(folder: Path) -> None:
    named = Path("box.data").read_text()
    for old, new in (
        ("3 atom types", "5 atom types"),
        ("1 100.0 # Fr", "1 138.9055 # La\n4 91.224 # Zr\n5 15.999 # O"),
        ("3 20.0 # An", "3 18.998 # FBT"),
        ("\n2 1 1 ", "\n2 1 4 "),
        ("\n3 1 1 ", "\n3 1 5 "),
    ):
        assert old in named
        named = named.replace(old, new)
    Path("named.data").write_text(named)
    result = analyse("run.dump", "--system", "named.data", "--frame-ps", 1)
    assert result.exit_code == 2
    words = "apart), as thickness in --config, or give another --recipe or --propose-regions"
    assert "named.data: thickness: is missing; give the distance" in result.output
    assert words in result.output


def test_a_trajectory_of_some_atoms_says_of_how_many(folder: Path) -> None:
    lines = Path("run.dump").read_text().replace("ATOMS\n42", "ATOMS\n40").splitlines(keepends=True)
    Path("run.dump").write_text("".join(line for line in lines if not line.startswith(("41 3 ", "42 3 "))))
    result = small()
    assert result.exit_code == 0, result.output
    assert result.output.startswith("system    40 of 42 atoms, box")


def test_two_trajectories_of_a_run_give_the_state_of_one(folder: Path) -> None:
    """The last two atoms are a solvent, which the files of the ions lack; their order does not matter."""
    lines = Path("box.data").read_text().replace("42 atoms", "44 atoms").replace("3 atom types", "4 atom types")
    lines = lines.replace("# An\n", "# An\n4 16.0 # O\n")
    more = "".join(f"{number} {number} 4 0.0 1.0 1.0 {number - 10}.0 0 0 0\n" for number in (43, 44))
    Path("box.data").write_text(lines.replace("\nBonds", f"{more}\nBonds"))
    frames = Path("run.dump").read_text().split("id type xu yu zu\n")[1:]
    rows = [[line.split()[2:] for line in frame.splitlines()[:42]] for frame in frames]
    positions = np.array([[*own, [1, 1, 33 + step / 8], [1, 1, 34]] for step, own in enumerate(rows)], np.float32)
    box: dict[str, Any] = {"lengths": (14.0, 16.0, 84.0)}
    parts = []
    for first in (0, 6):
        part, every = positions[first : first + 6], {**box, "first_step": 500 * first}
        write_dcd(Path(f"all{first}.dcd"), part, frame_steps=500, **every)
        write_dcd(Path(f"ions{first}.dcd"), part[:, :42], frame_steps=500, **every)
        parts.append(write_dcd(Path(f"few{first}.dcd"), part[::2], frame_steps=1000, **every))
    regions = yaml.safe_load(Path("regions.yaml").read_text())
    regions["sampling"] |= {"all_atoms_ps": 2}
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    system = ("--system", "box.data", "--config", "regions.yaml")
    assert analyse("all0.dcd", "all6.dcd", *system).exit_code == 0
    expected = State.load("found/state.npz")
    given = [word for path in parts for word in ("--all-atoms", path)]
    job = invoke("reduce", "ions0.dcd", "ions6.dcd", *given, *system, "--out", "job.npz")
    assert job.exit_code == 0, job.output
    del regions["sampling"]["all_atoms_ps"]
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    given = [word for path in parts[::-1] for word in ("--all-atoms", path)]
    result = analyse("ions6.dcd", "ions0.dcd", *given, *system)
    assert result.exit_code == 0, result.output
    assert "all atoms every 2 ps" in " ".join(result.output.split())
    found = State.load("found/state.npz")
    assert found.equals(replace(expected, config=found.config))
    assert found.equals(replace(State.load("job.npz"), config=found.config))
    result = analyse("ions0.dcd", "ions6.dcd", *given, *system, "--frame-ps", 1)
    assert result.exit_code == 2
    assert "--all-atoms: two trajectories of one run" in " ".join(result.output.split())


def test_a_sampling_carried_over_from_a_shorter_run_is_named(folder: Path) -> None:
    regions = yaml.safe_load(Path("regions.yaml").read_text())
    del regions["sampling"]
    Path("regions.yaml").write_text(yaml.safe_dump(regions))
    small("--frame-ps", 1)
    Path("found/state.npz").rename("short.npz")
    frames = Path("run.dump").read_text().split("ITEM: TIMESTEP\n")[1:]
    later = [f"{500 * number}\n{frames[11].split(chr(10), 1)[1]}" for number in range(12, 96)]
    Path("run.dump").write_text("".join(f"ITEM: TIMESTEP\n{frame}" for frame in [*frames, *later]))
    result = small("--frame-ps", 1, "--previous", "short.npz")
    assert result.exit_code == 0, result.output
    words = "(blocks of 1 ps); a new reduction of all files would take 2 ps"
    assert words in " ".join(result.output.split())


def test_analyse_needs_no_profile_and_no_aiida(folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from aiida_cse.cli.cmd_analyse import analyse; analyse(standalone_mode=False); "
        "sys.exit('aiida' in sys.modules)"
    )
    words = ("run.dump", "--system", "box.data", "--config", "regions.yaml", "--temperature", "600")
    environment = os.environ | {"AIIDA_PATH": str(tmp_path / "none")}
    done = subprocess.run([sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path("run.analysis/results.json").is_file()


# -- proposed regions ----------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_named_before_the_files_are_read(folder: Path) -> None:
    (folder / "file").write_text("")
    options = ("--system", "box.data", "--config", "regions.yaml", "--temperature", 600)
    result = invoke("analyse", "run.dump", *options, "--out", "file/found")
    assert result.exit_code == 2
    assert "file/found: file is no folder" in " ".join(result.output.split())
    assert "system " not in result.output


def test_proposed_regions_are_used_only_if_confirmed(folder: Path) -> None:
    words = ("run.dump", "--system", "box.data", "--frame-ps", 1, "--propose-regions")
    refused = analyse(*words, input="n\n")
    assert refused.exit_code == 2
    assert "edit them and give --config found/regions.yaml, or confirm them with --yes" in refused.output
    assert not Path("found/results.json").exists()
    proposed = yaml.safe_load(Path("found/regions.yaml").read_text())
    assert proposed["framework"] == [1]
    assert proposed["cation"] == {"name": "Li", "types": [2]}
    assert proposed["anion"]["types"] == [3]
    assert proposed["thickness"] == pytest.approx(20, abs=1)
    accepted = analyse(*words, "--yes")
    assert accepted.exit_code == 0, accepted.output


# -- kinetics ------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, temperature in ((3, 700), (4, 600)):
        state = f"T{temperature}.npz"
        long_state(seed=seed).save(state)
        result = invoke("analyse", state, "--temperature", temperature, "--out", f"T{temperature}")
        assert result.exit_code == 0, result.output
    return tmp_path


def test_kinetics_of_folders_are_those_of_the_library(runs: Path) -> None:
    from aiida_cse.analysis.kinetics import PARTS, kinetics
    from aiida_cse.analysis.production import ReducedProduction
    from aiida_cse.analysis.registry import analyse
    from aiida_cse.analysis.shifts import shifts

    result = invoke("kinetics", "T700", "T600")
    assert result.exit_code == 0, result.output
    temperatures = {"T700": 700.0, "T600": 600.0}
    states = {label: State.load(f"{label}.npz") for label in temperatures}
    parts = {
        label: {name: found for name, found in analyse(states[label], temperature).items() if name in PARTS}
        for label, temperature in temperatures.items()
    }
    moved = shifts({label: ReducedProduction(states[label], one) for label, one in temperatures.items()})
    expected = kinetics(parts, None, moved)
    entries = json.loads(Path("kinetics/kinetics.json").read_text())["kinetics"]["entries"]
    assert {key: entry["value"] for key, entry in entries.items()} == json.loads(json.dumps(expected))
    assert "Γ(400 K)" in result.output
    rows = list(csv.DictReader(Path("kinetics/laws.csv").read_text().splitlines()))
    assert {row["law"] for row in rows} == {*expected["by_law"], "averaged"}


def test_kinetics_refuses_a_folder_without_results_and_one_given_twice(runs: Path) -> None:
    Path("empty").mkdir()
    result = invoke("kinetics", "T700", "empty")
    assert result.exit_code == 2
    assert "empty: has no results.json; make it with: aiida-cse analyse FILES --out empty" in result.output
    result = invoke("kinetics", "T700", "T700/../T700")
    assert "is given twice; each run counts once" in result.output


def test_kinetics_refuses_one_trajectory_in_two_folders(runs: Path) -> None:
    for options in (("--start", 100), ("--end", 100), ("--temperature", 650)):
        temperature = () if "--temperature" in options else ("--temperature", 700)
        invoke("analyse", "T700.npz", *temperature, "--out", f"part{options[0]}", *options)
        result = invoke("kinetics", "T600", "T700", f"part{options[0]}")
        assert result.exit_code == 2
        words = f"part{options[0]}: has the same trajectory as T700; give one of them"
        assert words in " ".join(result.output.split())


def test_kinetics_knows_a_trajectory_by_its_checksum(folder: Path) -> None:
    small()
    results = load_results("found/results.json")
    Path("other").mkdir()
    results.model_copy(update={"temperature_K": 700.0, "observables": {}}).save("other/results.json")
    result = invoke("kinetics", "found", "other")
    assert result.exit_code == 2
    assert "other: has the same trajectory as found; give one of them" in result.output


def test_import_run_of_an_incomplete_system_says_what_it_lacks(tmp_path: Path) -> None:
    long = long_state()
    state = replace(long, config=long.config.model_copy(update={"temperature": 700.0}))
    state.save(tmp_path / "state.npz")
    data = tmp_path / "box.data"
    data.write_text("", encoding="utf-8")
    result = invoke("import-run", tmp_path / "state.npz", "--system", data)
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert f"--system = {data}: is not a complete system" in said
    assert "system.json beside it" in said
    assert "omit --system to store only the reduction and its analysis" in said
