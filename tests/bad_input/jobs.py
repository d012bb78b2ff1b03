"""Wrong inputs of single jobs: job, port, value, and the words that the answer must contain."""

from __future__ import annotations

from typing import Any

from tests.bad_input.protocols import STAGE

PLAN: dict[str, Any] = {"stages": [STAGE | {"temperature": 300}]}
JOBS: tuple[tuple[str, str, Any, tuple[str, ...]], ...] = (
    *(
        ("cse.lammps", "plan", PLAN | change, words)
        for change, words in (
            ({"stages": []}, ("plan.stages", "needs at least 1 entry")),
            ({"stages": PLAN["stages"] * 2}, ("plan.stages", "used twice: heat")),
            ({"seed": 0}, ("plan.seed = 0", "greater than 0")),
            ({"seed": 2**31}, ("plan.seed = 2147483648", "less than 2147483648")),
            ({"seed": True}, ("plan.seed = True", "valid integer")),
            ({"first_step": -1}, ("plan.first_step = -1", "greater than or equal to 0")),
            ({"first_step": 2**63}, ("plan.first_step = ", "less than or equal to")),
            ({"stop_step": 501}, ("plan.stop_step: 501", "(0, 500]")),
            ({"stop_step": 2.5}, ("plan.stop_step = 2.5", "valid integer")),
            ({"resume_step": 500}, ("plan.resume_step: 500", "must lie before the end of the job, step 500")),
            ({"latest_checkpoint": -1}, ("plan.latest_checkpoint", "-1")),
            ({"care": {"until_step": True}}, ("plan.care.until_step", "True", "valid integer")),
            ({"settings": {"cutof": 9}}, ("plan.settings: unknown key 'cutof'", "did you mean 'cutoff'?")),
            ({"stage": 1}, ("plan: unknown key 'stage'", "did you mean 'stages'?")),
        )
    ),
    *(
        ("cse.lammps", "settings", value, ("settings", *words))
        for value, words in (
            ({"keep_sytem": True}, ("'keep_sytem'", "did you mean 'keep_system'?")),
            ({"keep_system": "yes"}, ("keep_system = 'yes'", "must be true or false")),
            ({"additional_cmdline_params": "-sf gpu"}, ("'-sf gpu'", "must be a list of words")),
            ({"additional_cmdline_params": ["-var", 1]}, ("['-var', 1]", "must be a list of words")),
            ({"additional_cmdline_params": ["a\nb"]}, ("none with a line break",)),
            ({"additional_cmdline_params": [""]}, ("['']", "must be a list of words")),
            ({"additional_retrieve_list": "out"}, ("'out'", "must be a list of names of files")),
            ({"additional_retrieve_list": [1]}, ("[1]", "must be a list of names of files")),
            ({"additional_retrieve_list": [["a*", "."]]}, ("[pattern, folder, depth]",)),
            ({"additional_retrieve_list": [["a*", ".", "all"]]}, ("[pattern, folder, depth]",)),
            ({"additional_retrieve_list": [["a*", ".", True]]}, ("[pattern, folder, depth]",)),
        )
    ),
    ("cse.build", "component", "wall", ("component = 'wall'", "slab or electrolyte")),
    ("cse.build", "recipe", {"name": "a b"}, ("recipe.name = 'a b'", "must be letters")),
    (
        "cse.reduce",
        "sampling",
        {"timestep_fs": "2", "frame_ps": 1},
        ("sampling.timestep_fs = '2'", "valid number"),
    ),
)
