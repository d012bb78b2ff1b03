"""The ``cse.forcefield`` node: a force-field set with its sources, once in a profile."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml
from aiida.common.exceptions import ValidationError
from aiida.orm import Data, QueryBuilder

from aiida_cse.analysis.registry import Documented
from aiida_cse.forcefields.library import available_sets
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.schema import nearest

__all__ = ["FORCEFIELD", "CseForceFieldData", "find_forcefield", "import_forcefield", "stored_forcefields"]

FILENAME = "forcefield.yaml"

#: with the checksum of a set, what the identity of its node follows from
_IDENTITY = uuid5(NAMESPACE_URL, "aiida-cse:forcefield")


FORCEFIELD = Documented(
    "cse.forcefield",
    "Attributes of a force-field set; its file is `forcefield.yaml`, read with `forcefield_set`.",
    {
        "name": ("", "Name in recipes"),
        "md5": ("", "Checksum of all that it holds"),
        "title": ("", "One sentence that describes it"),
        "citations": ("", "Its sources"),
        "confidence": ("", "Reliability, with the reasons"),
        "revises": ("", "The shipped set whose other entries it took over, null for none"),
    },
)


class CseForceFieldData(Data):
    """A force-field set: all that it holds as a YAML file, and what a query asks for as attributes.

    Attributes to query: ``name``, ``md5``, ``title``, ``citations``, ``confidence`` and ``revises``. The UUID
    follows from the content, so that a profile has one node of it, also when an archive brings it again; take
    it from :meth:`get_or_create`.
    """

    def __init__(self, chosen: ForceFieldSet | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if chosen is None:
            return
        self.label = chosen.name
        self.base.attributes.set_many(
            {
                "name": chosen.name,
                "md5": chosen.md5,
                "title": chosen.title,
                "citations": list(chosen.citations),
                "confidence": chosen.confidence,
                "revises": chosen.revises,
            }
        )
        self.base.repository.put_object_from_bytes(_text(chosen).encode(), FILENAME)
        # AiiDA has no public way to choose a UUID; the database refuses the same one twice, whoever stores it
        model: Any = self.backend_entity
        model.bare_model.uuid = _identity(chosen)

    @classmethod
    def get_or_create(cls, chosen: ForceFieldSet) -> CseForceFieldData:
        """Return the stored node of the set; it is stored if there is none."""
        found = _stored(chosen)
        if found is not None:
            return found
        node = cls(chosen)
        try:
            node.store()
        except Exception:
            # the database's own error if another process stored it in the meantime
            found = _stored(chosen)
            if found is None:
                raise
            return found
        return node

    @property
    def name(self) -> str:
        """The name of the set."""
        name: str = self.base.attributes.get("name")
        return name

    @property
    def md5(self) -> str:
        """The checksum of all that the set holds, in hexadecimal digits."""
        md5: str = self.base.attributes.get("md5")
        return md5

    @property
    def content(self) -> dict[str, Any]:
        """What the YAML file says: the set as it stands under ``own_sets`` of a recipe."""
        content: dict[str, Any] = yaml.safe_load(self.base.repository.get_object_content(FILENAME, "r"))
        return content

    @cached_property
    def forcefield_set(self) -> ForceFieldSet:
        """The set as the plain library knows it, from its own content alone also where it revises another."""
        return ForceFieldSet.model_validate({**self.content, "name": self.name})

    def _validate(self) -> bool:
        super()._validate()
        if FILENAME not in self.base.repository.list_object_names():
            msg = f"a cse.forcefield needs the file {FILENAME}: make it with CseForceFieldData.get_or_create"
            raise ValidationError(msg)
        if self.forcefield_set.md5 != self.md5:
            msg = f"the md5 {self.md5} is not that of the content, {self.forcefield_set.md5}"
            raise ValidationError(msg)
        return True


def stored_forcefields() -> list[CseForceFieldData]:
    """Return the force-field sets of the profile by name, of the same name the oldest first."""
    query = QueryBuilder().append(CseForceFieldData, tag="set")
    nodes: list[CseForceFieldData] = query.order_by({"set": {"id": "asc"}}).all(flat=True)
    return sorted(nodes, key=lambda node: node.name)


def import_forcefield(chosen: ForceFieldSet) -> CseForceFieldData:
    """Return the node of a set that a user brings, so that recipes can name it.

    Raises
    ------
    ValueError
        The profile has another set of that name.
    """
    for node in stored_forcefields():
        if node.name == chosen.name and node.md5 != chosen.md5:
            msg = (
                f"there is another force-field set {chosen.name!r} in this profile (md5 {node.md5[:8]}, yours has"
                f" {chosen.md5[:8]}); what was built refers to it, give yours another name"
            )
            raise ValueError(msg)
    return CseForceFieldData.get_or_create(chosen)


def find_forcefield(name_or_uuid: str) -> CseForceFieldData:
    """Return the set of the profile with this name or UUID.

    Raises
    ------
    ValueError
        There is none, or several have the name; names those that there are.
    """
    stored, shipped = stored_forcefields(), available_sets()
    found = [node for node in stored if name_or_uuid in (node.name, node.uuid)]
    if not found:
        others = sorted({node.name for node in stored} - set(shipped))
        msg = f"there is no force-field set {name_or_uuid!r}; {nearest(name_or_uuid, (*shipped, *others))}"
        msg += f" (available: {', '.join(shipped)}; in this profile: {', '.join(others) or 'no other'})"
        raise ValueError(msg)
    if len(found) > 1:
        listed = ", ".join(f"{node.uuid} (md5 {node.md5[:8]})" for node in found)
        msg = f"{len(found)} force-field sets are called {name_or_uuid!r}; name one by its UUID: {listed}"
        raise ValueError(msg)
    return found[0]


def _identity(chosen: ForceFieldSet) -> str:
    return str(uuid5(_IDENTITY, chosen.md5))


def _stored(chosen: ForceFieldSet) -> CseForceFieldData | None:
    query = QueryBuilder().append(CseForceFieldData, filters={"uuid": _identity(chosen)})
    found: CseForceFieldData | None = query.first(flat=True)
    return found


def _text(chosen: ForceFieldSet) -> str:
    """Return the set as a YAML file: what it leaves at the default is left out."""
    content = chosen.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
