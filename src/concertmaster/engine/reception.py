"""Who may ask for what: an event becomes a request, or an answer, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from concertmaster.adapters.issue import Comment
from concertmaster.core import bulletin
from concertmaster.core.comment import Order, Reply, Verb, read_comment
from concertmaster.core.listing import PromptList, choose_prompts, read_paths, read_prompt_list
from concertmaster.core.neutral import read_marks
from concertmaster.core.trigger import Ignored, Kind, Trigger
from concertmaster.engine.job import Job

_MAY_START = frozenset({"admin", "write"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order of somebody who may give it."""

    trigger: Trigger
    order: Order
    prompts: PromptList


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Nothing is started. `replies` are for the person who asked; () = no answer at all."""

    reason: str
    trigger: Trigger | None = None
    replies: Sequence[Reply] = ()


def receive(job: Job) -> Request | Rejected:
    """Read the event, and ask GitHub whether the person behind it may start anything."""
    trigger = job.trigger()
    if isinstance(trigger, Ignored):
        return Rejected(reason=trigger.reason)
    order = _read_order(trigger)
    if order is None:
        return Rejected(reason="the comment is not for us", trigger=trigger)
    reason = _refuse(job, trigger)
    if reason:
        return Rejected(reason=reason, trigger=trigger)
    if isinstance(order, Reply):
        return Rejected(reason="the command cannot be read", trigger=trigger, replies=(order,))
    url = f"{job.settings.server_url}/{job.settings.repository}"
    return Request(trigger=trigger, order=order, prompts=_list_prompts(trigger, url))


def _read_order(trigger: Trigger) -> Order | Reply | None:
    if trigger.kind is Kind.COMMENT:
        return read_comment(trigger.comment_text)
    return Order(verb=Verb.RUN)


def _refuse(job: Job, trigger: Trigger) -> str:
    """Why the actor may not start anything, "" when they may. Any doubt is a no."""
    if trigger.kind is Kind.SCHEDULE:
        return ""  # authorised by the file on the default branch
    bots = {name.lower() for name in job.settings.allowed_bots}
    if trigger.is_bot and trigger.actor.lower() not in bots:
        return f"{trigger.actor or 'nobody'} is a bot and not in allowed_bots"
    if not trigger.actor:
        return "the event names nobody who asked"
    if trigger.is_bot:
        return ""  # named by the workflow file; GitHub knows no permission of a bot
    permission = job.forge.permission(trigger.actor)
    if permission in _MAY_START:
        return ""
    return f"{trigger.actor} has {permission} permission; starting a run needs write"


def _list_prompts(trigger: Trigger, url: str) -> PromptList:
    if trigger.prompts:
        return read_paths(
            [line.strip("-* \t\r") for line in trigger.prompts.split("\n") if line.strip()]
        )
    if trigger.kind is Kind.COMMENT:
        return choose_prompts(trigger.comment_text, trigger.body, repository_url=url)
    return read_prompt_list(trigger.body, repository_url=url)


def answer(job: Job, trigger: Trigger, text: str) -> None:
    """One reply for each trigger, whatever is run again; without an issue on the job's page."""
    if not trigger.issue:
        job.write_summary(text)
        return
    viewer = job.forge.viewer()
    body = job.redact(bulletin.answer(text, run=trigger.run))

    def is_ours(comment: Comment) -> bool:
        marks = read_marks(comment.body)
        kinds = {(one.run, one.kind) for one in marks}
        return comment.author == viewer and (trigger.run, bulletin.REPLY_KIND) in kinds

    job.forge.put_comment(trigger.issue, body, is_ours=is_ours)
