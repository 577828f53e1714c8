"""Templates tell what the study was made with, and the command takes it over."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.cli import main
from app.train import make_plan
from datasets.dataset import Dataset
from devices import plugins
from devices.errors import ConfigError
from policies.templates import TEMPLATES, Template, template
from policies.training_run import Plan, RunFolder
from tests.benchmarks.touch_matters import SETTINGS, VARIANTS
from tests.policies.takes import reaching

STUDIED = {"rdp-wipe": "rdp", "diffusion-wipe": "dp-touch", "rdp-lift": "rdp"}
"""Which variant of the study a template is."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return reaching(tmp_path_factory.mktemp("templates") / "set", 2)


@pytest.fixture(autouse=True)
def an_eye(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up takes have no `scene/glance`; all that counts here is its shape."""
    monkeypatch.setattr("policies.presets.glance_shape", lambda dataset: (9,))


def planned(dataset: Dataset, known: Template) -> Plan:
    return make_plan(dataset.root, known.policy, known.needs, known.settings, steps=known.steps)


@pytest.mark.parametrize("known", TEMPLATES, ids=lambda known: known.name)
def test_a_template_is_what_was_studied(dataset: Dataset, known: Template) -> None:
    variant = next(each for each in VARIANTS if each.name == STUDIED[known.name])
    studied = make_plan(
        dataset.root,
        variant.policy,
        variant.needs,
        (*variant.settings, *SETTINGS[known.scene]),
        steps=variant.steps,
    )
    assert planned(dataset, known) == studied
    assert known.scene in plugins.names("scenes") and known.name.endswith(known.scene)


def test_a_template_is_known_by_name() -> None:
    assert [template(known.name) for known in TEMPLATES] == list(TEMPLATES)
    with pytest.raises(ConfigError, match=r"no template 'rdp-moon'.*rdp-wipe"):
        template("rdp-moon")


def test_the_command_begins_with_a_template_and_what_is_said_comes_after(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--dataset", str(dataset.root), "--queue", str(tmp_path)]
    command += ["--template", "rdp-wipe"]
    assert main(command) == 0
    plan = RunFolder(tmp_path / "0001-rdp").plan()
    wished = planned(dataset, template("rdp-wipe"))
    assert msgspec.json.encode(plan) == msgspec.json.encode(wished)
    assert (plan.pushed, plan.config["about"], plan.steps) == ("follow", "glance", 12_000)
    assert main([*command, "--steps", "7", "--needs", "sent-reactive", "--set", "about="]) == 0
    plan = RunFolder(tmp_path / "0002-rdp").plan()
    assert (plan.pushed, plan.config["about"], plan.steps) == ("follow", "", 7)
    with pytest.raises(SystemExit):
        main([*command, "--policy", "bc"])
    assert "not allowed with" in capsys.readouterr().err
