"""What a scenario must come to, a third way: from the money rules, with nothing but Python's standard library.

Nothing here walks and nothing divides a balance by a rate. A team is a list of dated facts; its balance at any second is
their sum, in exact fractions of a dollar. Between two facts that sum can only fall, so the second at which it meets a
line is found by bisection.

    python3 oracle.py FILE...     the results of these scenario files, as a JSON array
    python3 oracle.py < ARRAY     the same for a JSON array of scenarios
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Callable, Optional

COOLDOWN = 300
LEAST_TO_START = Fraction(3)
MICRO = Fraction(1, 10**6)


def dollars(text: str) -> Fraction:
    if not re.fullmatch(r"[0-9]+(\.[0-9]{1,6})?", text):
        raise ValueError(f"not an amount of dollars: {text!r}")
    return Fraction(text)


def whole_micros(exact: Fraction) -> Fraction:
    """Rounded down to a micro-dollar."""
    return (exact // MICRO) * MICRO


def shown(amount: Fraction) -> str:
    count = amount / MICRO
    if count.denominator != 1 or count < 0:
        raise ArithmeticError(f"not a payable amount: {amount}")
    return f"{count.numerator // 10**6}.{count.numerator % 10**6:06d}"


def earliest(first: int, last: int, holds: Callable[[int], bool]) -> Optional[int]:
    """The first second in [first, last] at which `holds`, given that it goes on holding once it does."""
    if first > last or not holds(last):
        return None
    while first < last:
        middle = (first + last) // 2
        if holds(middle):
            last = middle
        else:
            first = middle + 1
    return first


@dataclass
class Meter:
    hourly: Fraction
    began: int
    ended: Optional[int] = None
    why: Optional[str] = None

    def seconds(self, at: int) -> int:
        return (at if self.ended is None else min(at, self.ended)) - self.began

    def cost(self, at: int) -> Fraction:
        return whole_micros(self.hourly * self.seconds(at) / 3600)


@dataclass
class Team:
    name: str
    declines_after: Optional[int] = None
    policy_on: bool = False
    threshold: Optional[Fraction] = None
    amount: Optional[Fraction] = None
    now: int = 0
    meters: list[Meter] = field(default_factory=list)
    payments: list[dict[str, Any]] = field(default_factory=list)
    came: list[Fraction] = field(default_factory=list)
    usage_exact: Fraction = Fraction(0)
    usage_paid: Fraction = Fraction(0)
    mails: list[dict[str, Any]] = field(default_factory=list)

    # Reading the facts.

    def available(self, at: int) -> Fraction:
        return sum(self.came, Fraction(0)) - self.usage_paid - sum((m.cost(at) for m in self.meters), Fraction(0))

    def owed(self) -> Fraction:
        return whole_micros(self.usage_exact) - self.usage_paid

    def attempts(self) -> list[dict[str, Any]]:
        return [p for p in self.payments if p["label"] == "Auto Top-Up"]

    # The clock.

    def next_top_up(self, last: int) -> Optional[int]:
        if not self.policy_on:
            return None
        first = max([self.now] + [p["at"] + COOLDOWN for p in self.attempts()])
        return earliest(first, last, lambda s: self.available(s) < self.threshold)

    def next_exhaustion(self, last: int) -> Optional[int]:
        if all(m.ended is not None for m in self.meters):
            return None
        return earliest(self.now, last, lambda s: self.available(s + 1) < 0)

    def bring_up_to(self, last: int) -> None:
        """All that the clock brings through `last`, in its order; of one second the top-up is first."""
        while True:
            top_up, dry = self.next_top_up(last), self.next_exhaustion(last)
            if top_up is not None and (dry is None or top_up <= dry):
                self.now = top_up
                self.attempt()
            elif dry is not None:
                self.now = dry
                for meter in self.meters:
                    if meter.ended is None:
                        meter.ended, meter.why = dry, "out_of_credits"
                self.mails.append({"at": dry, "kind": "credits_exhausted"})
            else:
                self.now = last
                return

    def attempt(self) -> None:
        succeeded_before = sum(p["status"] == "succeeded" for p in self.attempts())
        if self.declines_after is not None and succeeded_before >= self.declines_after:
            self.record(self.amount, "Auto Top-Up", "failed")
            self.policy_on = False
            self.mails.append({"at": self.now, "kind": "auto_top_up_failed"})
        else:
            self.pay_in(self.amount, "Auto Top-Up")

    # Facts.

    def record(self, amount: Fraction, label: str, status: str) -> None:
        self.payments.append({"at": self.now, "amount": shown(amount), "label": label, "status": status})

    def pay_in(self, amount: Fraction, label: str) -> None:
        self.record(amount, label, "succeeded")
        self.came.append(amount)
        # Owed usage stands at the head of the queue for new credit.
        self.usage_paid += min(self.owed(), amount)

    def use_tokens(self, exact: Fraction) -> None:
        before = whole_micros(self.usage_exact)
        self.usage_exact += exact
        self.usage_paid += min(whole_micros(self.usage_exact) - before, self.available(self.now))


def result(scenario: dict[str, Any]) -> dict[str, Any]:
    until = scenario["until"]
    teams: dict[str, Team] = {}
    for name, given in scenario["teams"].items():
        team = teams[name] = Team(name, declines_after=given.get("card", {}).get("declinesAfter"))
        policy = given.get("autoTopUp")
        if policy is not None:
            team.policy_on, team.threshold, team.amount = True, dollars(policy["threshold"]), dollars(policy["amount"])
        if "deposit" in given:
            team.pay_in(dollars(given["deposit"]), "Deposit")

    admitted: dict[str, tuple[Team, Meter]] = {}
    refused: list[dict[str, Any]] = []
    in_order = sorted((e["at"], place) for place, e in enumerate(scenario["events"]) if e["at"] <= until)
    for at, place in in_order:
        event = scenario["events"][place]
        kind = event["do"]
        if kind == "stop":
            if event["instance"] not in admitted:
                continue
            team, meter = admitted[event["instance"]]
            team.bring_up_to(at)
            if meter.ended is None:
                meter.ended, meter.why = at, "stopped"
            continue

        team = teams[event["team"]]
        team.bring_up_to(at)
        if kind == "start":
            if event["instance"] in admitted:
                continue
            if team.available(at) < LEAST_TO_START:
                refused.append({"at": at, "instance": event["instance"], "code": "insufficient_credit"})
            else:
                meter = Meter(dollars(event["hourly"]), at)
                team.meters.append(meter)
                admitted[event["instance"]] = (team, meter)
        elif kind == "deposit":
            team.pay_in(dollars(event["amount"]), "Deposit")
        elif kind == "tokens":
            price = event["model"]
            team.use_tokens((event["input"] * dollars(price["input"]) + event["output"] * dollars(price["output"])) / 10**6)
        elif kind == "autoTopUp":
            team.policy_on = event.get("enabled", team.policy_on)
            team.threshold = dollars(event["threshold"]) if "threshold" in event else team.threshold
            team.amount = dollars(event["amount"]) if "amount" in event else team.amount
        else:
            raise ValueError(f"no such event: {event!r}")

    for team in teams.values():
        team.bring_up_to(until)
        if team.owed() < 0 or (team.owed() > 0 and team.available(until) > 0):
            raise ArithmeticError(f"{team.name} has credit and owes at once")

    instances: dict[str, Any] = {}
    for name, (team, meter) in admitted.items():
        row: dict[str, Any] = {"team": team.name, "status": "active", "startedAt": meter.began}
        if meter.ended is not None:
            row |= {"status": "terminated", "endedAt": meter.ended}
        row |= {"seconds": meter.seconds(until), "cost": shown(meter.cost(until))}
        if meter.why is not None:
            row["reason"] = meter.why
        instances[name] = row
    return {
        "teams": {
            team.name: {
                "balance": shown(team.available(until)),
                "owed": shown(team.owed()),
                "autoTopUp": {"enabled": team.policy_on},
                "deposits": team.payments,
                "emails": team.mails,
            }
            for team in teams.values()
        },
        "instances": instances,
        "refused": refused,
        "ledger": {"balanced": True},
    }


def main() -> None:
    if sys.argv[1:]:
        scenarios = []
        for path in sys.argv[1:]:
            with open(path, encoding="utf-8") as file:
                scenarios.append(json.load(file))
    else:
        scenarios = json.load(sys.stdin)
    json.dump([result(s) for s in scenarios], sys.stdout)


if __name__ == "__main__":
    main()
