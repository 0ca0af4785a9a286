"""What people see of DiPO in dumps of rollouts: in replays of a run, and in the groups that `inspect` shows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from groupwise.display import Display
from groupwise.display_rollouts import Acts, Label

UP, DOWN = "reallocated_total/up", "reallocated_total/down"
ADMISSIBLE, TAU, ERROR_RATE = "threshold/admissible", "threshold/value", "threshold/error_rate"
WOULD: Final = {
    "any": "would_reallocate_total/any",
    "any_group": "would_reallocate_total/any_group",
    "median": "would_reallocate_total/median",
    "mean": "would_reallocate_total/mean",
    # verl's aggregator takes a name with "max" in it for a maximum.
    "max": "would_reallocate_total/peak",
    "always": "would_reallocate_total/always",
}
"""For each `group_perplexity` rule the metric of the groups that it would reallocate."""


class RolloutWords(Display):
    """The part of DiPO's display that speaks of dumps."""

    acts = Acts(
        target="a reward",
        deed="reallocated",
        fates={"up": "rewarded", "down": "penalised"},
        touched="touched",
        chosen="chosen",
        directions={"hard": "up", "easy": "down"},
        label="quadrant",
        label_title="Quadrant",
        labels={
            "error_low": Label("EL", "wrong, low"),
            "correct_high": Label("CH", "right, high"),
            "correct_low": Label("CL", "right, low"),
            "error_high": Label("EH", "wrong, high"),
        },
    )
    reading = (
        "The bold mark is the chosen response: in a hard group (all wrong) it is rewarded, in an easy group (all "
        "right) penalised. R_r is the reallocated reward. Quadrants: correct or error (C, E), of low or high "
        "perplexity (L, H), below or above \u03c4*."
    )

    def group_facts(
        self, own: Mapping[str, Any], metrics: Mapping[str, float], settings: Mapping[str, Any]
    ) -> dict[str, str]:
        """tau*, and what the rule in force compared with it."""
        tau, located = metrics.get(self.full(TAU)), own.get("group_perplexity")
        return {
            "tau*": "none admissible" if tau is None else f"{tau:.5g}",
            f"group perplexity ({settings['group_perplexity']})": "-" if located is None else f"{located:.5g}",
        }

    def marks(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """tau*."""
        tau = metrics.get(self.full(TAU))
        return {} if tau is None else {"\u03c4*": tau}

    def response_facts(self, own: Mapping[str, Any]) -> dict[str, str]:
        """The reallocated reward."""
        return {"R_r": f"{own.get('reallocated_reward') or 0.0:g}"}

    def told(self, steps: Sequence[Mapping[str, float]]) -> Iterator[str]:
        """In how many steps there was a threshold, unless in all."""
        admissible, count = sum(self.full(TAU) in metrics for metrics in steps), len(steps)
        if admissible < count:
            yield (
                f"A threshold was admissible in {admissible} of {count:,} step{'s' if count > 1 else ''}; without one "
                "nothing is reallocated."
            )

    def cells(self, metrics: Mapping[str, float]) -> dict[str, str]:
        """tau* with its error, and the groups reallocated."""
        tau, error, up, down = (metrics.get(self.full(name)) for name in (TAU, ERROR_RATE, UP, DOWN))
        return {
            "tau (err)": "-" if tau is None or error is None else f"{tau:.3f} ({error:.2f})",
            "up": "-" if up is None else f"{up:.0f}",
            "down": "-" if down is None else f"{down:.0f}",
        }

    def totals(self, steps: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """Steps with a threshold, and the groups that were reallocated and that each rule would have."""
        sums = Counter[str]()
        for metrics in steps:
            sums.update({name: int(metrics.get(self.full(name), 0)) for name in (UP, DOWN, *WOULD.values())})
        admissible = sum(self.full(TAU) in metrics for metrics in steps)
        rules = {rule: sums[name] for rule, name in WOULD.items()}
        return {"admissible": admissible, "up": sums[UP], "down": sums[DOWN], "rules": rules}

    def replayed(self, total: Mapping[str, Any]) -> Iterator[str]:
        """How many groups were used, how often there was a threshold, and what the rules would have done."""
        used, dead = total["up"] + total["down"], total["hard"] + total["easy"]
        share = f"{used / dead:.0%}" if dead else "none"
        yield f"{self} would have used {used:,} of them ({share}): {total['up']:,} up, {total['down']:,} down."
        none = "" if total["admissible"] else ": perplexity does not separate right from wrong here"
        yield f"tau* was admissible in {total['admissible']:,} of {total['updates']:,} steps{none}."
        rules = ", ".join(f"{rule} {count:,}" for rule, count in total["rules"].items())
        yield f"Groups that each rule would have reallocated: {rules}."
