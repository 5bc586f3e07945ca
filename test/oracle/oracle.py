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
from datetime import datetime, timedelta, timezone
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
class Budget:
    project: Optional[str]
    period: str
    action: str
    amount: Fraction
    met: Optional[int] = None
    """The first second of the period in which it was met."""

    def covers(self, project: Optional[str]) -> bool:
        return self.project is None or self.project == project


@dataclass
class Meter:
    hourly: Fraction
    began: int
    project: Optional[str] = None
    ended: Optional[int] = None
    why: Optional[str] = None

    def seconds(self, at: int) -> int:
        return (at if self.ended is None else min(at, self.ended)) - self.began

    def cost(self, at: int) -> Fraction:
        return whole_micros(self.hourly * self.seconds(at) / 3600)

    def cost_since(self, since: int, at: int) -> Fraction:
        until, begin = self.began + self.seconds(at), max(self.began, since)
        if until <= begin:
            return Fraction(0)
        return self.cost(until) - whole_micros(self.hourly * (begin - self.began) / 3600)


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
    start: datetime = datetime(2026, 3, 1, tzinfo=timezone.utc)
    budgets: list[Budget] = field(default_factory=list)
    tokens: list[tuple[int, Optional[str], Fraction]] = field(default_factory=list)

    # Reading the facts.

    def bounds(self, budget: Budget, at: int) -> tuple[int, int]:
        """The first second of the period that has `at`, and the first second after it."""
        first = (self.start + timedelta(seconds=at)).replace(hour=0, minute=0, second=0, microsecond=0)
        if budget.period == "month":
            first = first.replace(day=1)
            after = (first + timedelta(days=32)).replace(day=1)
        else:
            after = first + timedelta(days=1)
        return tuple(int((moment - self.start).total_seconds()) for moment in (first, after))

    def spent(self, budget: Budget, at: int) -> Fraction:
        since, _ = self.bounds(budget, at)
        meters = sum((m.cost_since(since, at) for m in self.meters if budget.covers(m.project)), Fraction(0))
        return meters + sum((cost for second, project, cost in self.tokens if budget.covers(project) and since <= second <= at), Fraction(0))

    def is_met(self, budget: Budget, at: int) -> bool:
        return budget.met == self.bounds(budget, at)[0]

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

    def next_met(self, budget: Budget, last: int) -> Optional[int]:
        """A stop is met at the last second within the amount, unless a fact lifts the spend in that second."""
        at = self.now
        while at <= last:
            first, after = self.bounds(budget, at)
            if budget.met != first:
                above = earliest(at, min(last + 1, after - 1), lambda s: self.spent(budget, s) > budget.amount)
                if above is not None:
                    when = max(at, above - 1) if budget.action == "stop" else above
                    if when <= last:
                        return when
            at = after
        return None

    def next_budget(self, last: int) -> Optional[tuple[int, int, int]]:
        found = None
        for place, budget in enumerate(self.budgets):
            when = self.next_met(budget, last)
            if when is not None:
                turn = (when, ["stop", "refuse", "mail"].index(budget.action), place)
                found = turn if found is None else min(found, turn)
        return found

    def meet(self, budget: Budget) -> None:
        budget.met = self.bounds(budget, self.now)[0]
        if budget.action == "stop":
            for meter in self.meters:
                if meter.ended is None and budget.covers(meter.project):
                    meter.ended, meter.why = self.now, "budget"
        self.mails.append({"at": self.now, "kind": "budget_met"})

    def bring_up_to(self, last: int) -> None:
        """All that the clock brings through `last`, in its order; of one second budgets are first, then the top-up."""
        while True:
            top_up, dry, over = self.next_top_up(last), self.next_exhaustion(last), self.next_budget(last)
            if over is not None and all(when is None or over[0] <= when for when in (top_up, dry)):
                self.now = over[0]
                self.meet(self.budgets[over[2]])
            elif top_up is not None and (dry is None or top_up <= dry):
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

    def use_tokens(self, exact: Fraction, project: Optional[str]) -> None:
        before = whole_micros(self.usage_exact)
        self.usage_exact += exact
        posted = whole_micros(self.usage_exact) - before
        self.usage_paid += min(posted, self.available(self.now))
        self.tokens.append((self.now, project, posted))

    def set_budget(self, new: Budget) -> None:
        for place, old in enumerate(self.budgets):
            if (old.project, old.period, old.action) == (new.project, new.period, new.action):
                self.budgets[place] = new
                return
        self.budgets.append(new)


def result(scenario: dict[str, Any]) -> dict[str, Any]:
    until = scenario["until"]
    start = datetime.fromisoformat(scenario["startAt"].replace("Z", "+00:00")).replace(microsecond=0)
    teams: dict[str, Team] = {}
    for name, given in scenario["teams"].items():
        team = teams[name] = Team(name, declines_after=given.get("card", {}).get("declinesAfter"), start=start)
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
            elif any(b.action != "mail" and b.covers(event.get("project")) and team.is_met(b, at) for b in team.budgets):
                refused.append({"at": at, "instance": event["instance"], "code": "budget_met"})
            else:
                meter = Meter(dollars(event["hourly"]), at, event.get("project"))
                team.meters.append(meter)
                admitted[event["instance"]] = (team, meter)
        elif kind == "deposit":
            team.pay_in(dollars(event["amount"]), "Deposit")
        elif kind == "tokens":
            price = event["model"]
            exact = (event["input"] * dollars(price["input"]) + event["output"] * dollars(price["output"])) / 10**6
            team.use_tokens(exact, event.get("project"))
        elif kind == "budget":
            team.set_budget(Budget(event.get("project"), event["period"], event["action"], dollars(event["amount"])))
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
