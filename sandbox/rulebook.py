"""Which dials hold for a request: the defaults of its provider and account, and the newest rule that meets it."""

import itertools
from collections.abc import Iterator, Mapping

from sandbox.dials import Dials, Rule, checked_changes, digits

PROVIDERS = ("openai", "anthropic", "whatsapp", "twilio", "crm", "hooks")


class Rulebook:
    """Defaults per provider and per account, and rules by recipient; a look-up costs a dictionary access or two."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.clear()

    def clear(self, account: str | None = None) -> None:
        """Forget everything, or everything that belongs to one account."""
        if account is None:
            self._changes: dict[tuple[str, str], dict[str, object]] = {}
            self._by_recipient: dict[str, list[Rule]] = {}
            self._others: list[Rule] = []
        else:
            for key in [key for key in self._changes if key[1] == account]:
                del self._changes[key]
            for rule in [rule for rule in self.rules() if rule.account == account]:
                self.remove(rule.id)
        self._defaults: dict[tuple[str, str], Dials] = {}

    def set_defaults(self, provider: str, account: str, changes: Mapping[str, object]) -> None:
        """The account's dials are the provider's with these changes; account "" means the provider itself.

        Raises ValueError for an unknown provider or dial.
        """
        if provider not in PROVIDERS:
            raise ValueError(f"provider: one of {', '.join(PROVIDERS)}")
        self._changes[(provider, account)] = checked_changes(changes)
        self._defaults.clear()

    def defaults(self) -> dict[str, dict[str, object]]:
        """What was set, by `provider` or `provider/account`."""
        return {"/".join(part for part in key if part): changes for key, changes in self._changes.items()}

    def add(self, rule: Mapping[str, object]) -> Rule:
        """The rule holds from now on, before all older ones. Raises ValueError for a wrong key or value."""
        values = dict(rule)
        unknown = set(values) - {"provider", "account", "to", "to_ends", "contains", "times", "dials"}
        if unknown:
            raise ValueError(f"unknown key of a rule: {sorted(unknown)[0]}")
        changes = values.pop("dials", {})
        if not isinstance(changes, Mapping):
            raise ValueError("dials: an object")
        for name in ("to", "to_ends"):
            if values.get(name) is not None:
                values[name] = digits(str(values[name]))
        made = Rule(id=f"rule_{next(self._ids)}", dials=checked_changes(changes), **values)  # type: ignore[arg-type]
        home = self._others if made.to is None else self._by_recipient.setdefault(made.to, [])
        home.insert(0, made)
        return made

    def remove(self, rule_id: str) -> bool:
        """True if there was such a rule; it no longer holds."""
        for home in (self._others, *self._by_recipient.values()):
            for rule in home:
                if rule.id == rule_id:
                    home.remove(rule)
                    return True
        return False

    def rules(self) -> Iterator[Rule]:
        """All rules, those for one recipient first."""
        for home in self._by_recipient.values():
            yield from home
        yield from self._others

    def dials_for(self, provider: str, account: str, to: str, text: str) -> Dials:
        """The dials for this request; meeting a rule with `times` uses it up by one. `to` is digits only."""
        dials = self._defaults.get((provider, account)) or self._merged_defaults(provider, account)
        rule = self._first(self._by_recipient.get(to, ()), provider, account, to, text) or self._first(
            self._others, provider, account, to, text
        )
        if rule is None:
            return dials
        rule.met += 1
        return dials.turned(rule.dials)

    @staticmethod
    def _first(rules: "list[Rule] | tuple[()]", provider: str, account: str, to: str, text: str) -> Rule | None:
        return next((rule for rule in rules if rule.meets(provider, account, to, text)), None)

    def _merged_defaults(self, provider: str, account: str) -> Dials:
        dials = Dials()
        for key in ((provider, ""), (provider, account)):
            dials = dials.turned(self._changes.get(key, {}))
        if len(self._defaults) < 10_000:
            self._defaults[(provider, account)] = dials
        return dials
