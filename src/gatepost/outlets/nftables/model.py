"""What is meant to be in force, and the changes that make it so.

Job: keep the elements that should stand, and turn what became dirty, or what was seen to differ, into one change. Promise: pure; after a change
was applied, the kernel holds what the model holds. A change that fails leaves the model wrong: it is then made anew. Limits: one owner, no
waiting.
"""

from collections.abc import Iterable, Mapping, Sequence

from gatepost.core.decisions import Decision
from gatepost.core.subjects import name_of
from gatepost.outlets.nftables.messages import Apply, End, Key, Layout, Put, Scope, Seen, Take
from gatepost.outlets.nftables.wanted import HOLDS, Element, Elements, NftablesSettings, Spared, Wanted, packed
from gatepost.pipeline.mirrors import Standing

TOLERANCE_MS = 2000
"""By so much a time-out may be off before it is mended: clocks step a little, and a look takes a moment."""


class Change:
    """Elements to put and to take. ``held`` are those that hold or deny and did not before: their sockets end."""

    __slots__ = ("held", "put", "take")

    def __init__(self) -> None:
        self.put: Elements = {}
        self.take: dict[Element, None] = {}
        self.held: list[Element] = []

    def __bool__(self) -> bool:
        return bool(self.put or self.take)


class Model:
    """The elements that should stand."""

    def __init__(self, settings: NftablesSettings, standing: Standing, own: Iterable[str]) -> None:
        self._settings = settings
        self._standing = standing
        self._own = tuple(own)
        self._wanted = Wanted(settings.ports)
        self._ports = settings.ports.by_group()
        self._by_length: dict[tuple[int, int], list[Key]] = {}
        self._not_enforced: dict[str, int] = {}
        self._graces: Mapping[str, int] = {}
        self.holds: Elements = {}
        self.lists: Elements = {}
        self.keys: dict[Key, None] = {}
        """The sets of the layout that was last made."""
        self.unenforced = 0
        self.spared = Spared((), self._ports)

    def __len__(self) -> int:
        return len(self.holds) + len(self.lists)

    def reset(self, keys: Iterable[Key]) -> None:
        """Starts anew, with sets that stand already."""
        self.holds, self.lists, self.keys, self._by_length, self._not_enforced = {}, {}, {}, {}, {}
        self.unenforced = 0
        for key in keys:
            if key.kind in HOLDS and self._ports.get(key.group):
                self._hold_key(key)

    # --- what became dirty

    def subjects(self, names: Iterable[str], at: int) -> Change:
        """What must change for some subjects, named as `name_of` names them."""
        change = Change()
        for name in names:
            self._subject(name, self._standing.about(name, at), at, change)
        return change

    def take_up(self, decisions: Sequence[Decision], at: int) -> Change:
        """What must be put for decisions that stood a moment ago, many at once; none of their sockets end. Who was changed since was marked."""
        still = self._standing.decision
        wanted, unenforced = self._wanted.held([decision for decision in decisions if still(decision.number) is decision])
        if unenforced:  # they are counted by subject
            return self.subjects(dict.fromkeys(name_of(decision.subject) for decision in decisions), at)
        change, holds = Change(), self.holds
        for element, until in wanted.items():
            if holds.get(element, 0) < until:
                holds[element] = change.put[element] = until
        for key in {element[0]: None for element in change.put}:
            if key not in self.keys:
                self._hold_key(key)
        return change

    def relist(self, at: int, change: Change) -> None:
        """What must change for lists and graces, all of them, is added to a change."""
        self._graces = self._standing.graces(at)
        before, self.lists = self.lists, self._wanted.listed(self._own, self._standing.entries(), self._graces, at)
        for element, until in self.lists.items():
            if before.get(element) != until:
                change.put[element] = until
                if element[0].kind == "deny" and element not in before:
                    change.held.append(element)
        for element in before:
            if element not in self.lists:
                change.take[element] = None
        self.spared = Spared(self.lists, self._ports)

    def graces_changed(self, at: int) -> bool:
        """Whether a grace was given or ran out since the lists were last looked at."""
        return self._standing.graces(at) != self._graces

    def _subject(self, name: str, decisions: list[Decision], at: int, change: Change) -> None:
        wanted, unenforced = self._wanted.held(decisions)
        if unenforced or name in self._not_enforced:
            self.unenforced += unenforced - self._not_enforced.pop(name, 0)
            if unenforced:
                self._not_enforced[name] = unenforced
        holds, put = self.holds, change.put
        for element, until in wanted.items():
            before = holds.get(element)
            if before == until:
                continue
            holds[element] = put[element] = until
            if before is None:
                change.held.append(element)
                if element[0] not in self.keys:
                    self._hold_key(element[0])
        if wanted:
            key, prefix = next(iter(wanted))
            family, length = key.family, key.length
        else:
            try:
                family, length, prefix = packed(name)
            except ValueError:  # an account, or a pair
                return
        for key in self._by_length.get((family, length), ()):
            gone = (key, prefix)
            if gone not in wanted and gone in holds and holds.pop(gone) > at:
                change.take[gone] = None

    def _hold_key(self, key: Key) -> None:
        self.keys[key] = None
        self._by_length.setdefault((key.family, key.length), []).append(key)

    # --- what is sent

    def layout(self) -> Layout:
        """How the table should be built for what stands; the sets of lists that are no more used go."""
        self.keys = {key: None for key in self.keys if key.kind in HOLDS} | {key: None for key, _ in self.lists}
        settings = self._settings
        return Layout(settings.action, self._ports, tuple(self.keys), settings.table, settings.on_stop == "lift")

    def message(self, change: Change, at: int, *, fresh: bool = False, layout: Layout | None = None) -> Apply:
        """A change as it is sent."""
        puts: dict[Key, Put] = {}
        takes: dict[Key, Take] = {}
        for (key, prefix), until in change.put.items():
            if until == 0 or until > at:
                found = puts.get(key)
                if found is None:
                    found = puts[key] = Put(key, [])
                found.elements.append((prefix, (until - at + 999) // 1000 if until else 0))
        for key, prefix in change.take:
            if key in self.keys:  # else its set goes as a whole
                takes.setdefault(key, Take(key, [])).elements.append(prefix)
        return Apply(layout, list(puts.values()), list(takes.values()), fresh)

    def ends(self, change: Change) -> list[End]:
        """The sockets to end after a change."""
        return [
            End(Scope(prefix, key.length, self._ports[key.group]), self.spared.of(key, prefix))
            for key, prefix in change.held
            if (key, prefix) in self.holds or (key, prefix) in self.lists
        ]


class Look:
    """Compares what stands with what should, slice by slice."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._have: set[Element] = set()
        self._change = Change()
        self._skip: set[Element] = set()
        self.torn = False
        self.enforced = 0

    def changed(self, change: Change) -> None:
        """We changed this while looking: what was seen of it says nothing."""
        self._skip.update(change.put, change.take)

    def see(self, seen: Seen, at: int) -> None:
        """Takes a slice in."""
        self.torn = self.torn or seen.torn
        key = seen.key
        if key is None:
            return
        holds, lists, have = self._model.holds, self._model.lists, self._have
        for prefix, left in seen.elements:
            element = (key, prefix)
            have.add(element)
            until = holds.get(element)
            if until is None:
                until = lists.get(element)
            if until is None:
                self._change.take[element] = None
            elif abs((until - at) // 1000 - left) > TOLERANCE_MS if until else left:
                self._change.put[element] = until

    def differences(self, at: int) -> tuple[Change, int]:
        """What must be mended, and how many differences that are."""
        change, model = Change(), self._model
        change.take = {element: None for element in self._change.take if self._still(element) and element not in model.holds}
        change.put = {element: until for element, until in self._change.put.items() if self._still(element)}
        found = len(change.take) + len(change.put)
        for table in (model.holds, model.lists):
            for element, until in table.items():
                if element in self._have:
                    self.enforced += 1
                elif (until == 0 or until > at + TOLERANCE_MS * 1000) and element not in self._skip:
                    change.put[element] = until
                    found += not self.torn  # else it may only have been left out
        return change, found

    def _still(self, element: Element) -> bool:
        return element not in self._skip
