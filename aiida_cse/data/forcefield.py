"""The ``cse.forcefield`` node: a force-field set with its sources, unique in a profile."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml
from aiida.common.exceptions import ValidationError
from aiida.orm import Data, QueryBuilder

from aiida_cse.analysis.registry import Documented
from aiida_cse.data.files import read_text
from aiida_cse.data.html import html_table, html_title
from aiida_cse.forcefields.library import available_sets
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.schema import nearest
from aiida_cse.yaml_io import parse_mapping

__all__ = ["FORCEFIELD", "CseForceFieldData", "find_forcefield", "import_forcefield", "stored_forcefields"]

FILENAME = "forcefield.yaml"
#: largest file of a set
_MOST_BYTES = 1_000_000

#: namespace of the UUIDs, which follow from the checksums of the sets
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
    """A force-field set: its content as a YAML file, and attributes for queries.

    The attributes are ``name``, ``md5``, ``title``, ``citations``, ``confidence`` and ``revises``. The UUID
    follows from the content, so that a profile contains each set once, even if an archive imports it again. Nodes
    are obtained from :meth:`get_or_create`.
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
        content = chosen.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        self.base.repository.put_object_from_bytes(text.encode(), FILENAME)
        # Internal access to aiida-core, listed in tests/engine/test_aiida_internals.py: there is no public way to
        # choose a UUID. The database refuses a second node with the same one, whichever process stores it.
        model: Any = self.backend_entity
        model.bare_model.uuid = str(uuid5(_IDENTITY, chosen.md5))

    @classmethod
    def get_or_create(cls, chosen: ForceFieldSet) -> CseForceFieldData:
        """Return the stored node of the set, storing it first if necessary."""
        found = _stored(chosen)
        if found is not None:
            return found
        node = cls(chosen)
        try:
            node.store()
        except Exception:
            # a database error if another process has stored it in the meantime
            found = _stored(chosen)
            if found is None:
                raise
            return found
        return node

    @property
    def name(self) -> str:
        """Name of the set."""
        name: str = self.base.attributes.get("name")
        return name

    @property
    def md5(self) -> str:
        """Checksum of the content of the set, in hexadecimal digits."""
        md5: str = self.base.attributes.get("md5")
        return md5

    @property
    def content(self) -> dict[str, Any]:
        """Content of the YAML file, in the form of an entry of ``own_sets`` in a recipe."""
        text = read_text(self, FILENAME, _MOST_BYTES)
        return parse_mapping(text, f"cse.forcefield {self.pk}: {FILENAME}", "a force-field set")

    @cached_property
    def forcefield_set(self) -> ForceFieldSet:
        """Set in the form of the plain library, from its own content alone even if it revises another set."""
        return ForceFieldSet.model_validate({**self.content, "name": self.name})

    def _repr_html_(self) -> str:
        names = [name for name in self.base.attributes.all if name not in ("name", "md5")]
        rows = [(name, str(self.base.attributes.get(name))) for name in names]
        return html_title(f"cse.forcefield <{self.pk}>", self.name) + html_table([*rows, ("md5", self.md5)])

    def _validate(self) -> bool:
        super()._validate()
        if FILENAME not in self.base.repository.list_object_names():
            msg = f"file = {FILENAME}: is missing; create the node with CseForceFieldData.get_or_create"
            raise ValidationError(msg)
        if self.forcefield_set.md5 != self.md5:
            msg = f"md5 = {self.md5}: differs from that of the content, {self.forcefield_set.md5}"
            raise ValidationError(msg)
        return True


def stored_forcefields() -> list[CseForceFieldData]:
    """Return the force-field sets of the profile, sorted by name and then by age, the oldest first."""
    query = QueryBuilder().append(CseForceFieldData, tag="set")
    nodes: list[CseForceFieldData] = query.order_by({"set": {"id": "asc"}}).all(flat=True)
    return sorted(nodes, key=lambda node: node.name)


def import_forcefield(chosen: ForceFieldSet) -> CseForceFieldData:
    """Return the node of a user's own set, which recipes can then name.

    Raises
    ------
    ValueError
        The profile contains a different set of that name.
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
        There is none, or several share the name; the message lists the candidates.
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


def _stored(chosen: ForceFieldSet) -> CseForceFieldData | None:
    query = QueryBuilder().append(CseForceFieldData, filters={"uuid": str(uuid5(_IDENTITY, chosen.md5))})
    found: CseForceFieldData | None = query.first(flat=True)
    return found
