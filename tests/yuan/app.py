"""Points for every yuan that was paid in money."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.earning import Occasion, Occasion_Purchase, Proposal, Proposal_Awards
from wit_world.imports import types

per_yuan = 0


class Configuration(exports.Configuration):
    def configure(self, parameters: str) -> None:
        global per_yuan
        per_yuan = json.loads(parameters).get("per_yuan")
        if type(per_yuan) is not int or per_yuan < 1:
            raise Err("per_yuan: must be a whole number from 1 on")


class Earning(exports.Earning):
    def evaluate(self, occasion: Occasion, today: types.Day, points_so_far: int) -> Proposal:
        if not isinstance(occasion, Occasion_Purchase):
            return Proposal_Awards([])
        points = paid_in_money(occasion.value) * per_yuan // 100
        award = types.Award(types.Recipient.MEMBER, points, None, "purchase", None, None, None)
        return Proposal_Awards([award] if points else [])


def paid_in_money(purchase: types.Purchase) -> int:
    goods = sum(line.amount_minor for line in purchase.lines) - purchase.discount_minor
    points = sum(it.amount_minor for it in purchase.tenders if it.kind == types.TenderKind.POINTS)
    return max(goods - points, 0)
