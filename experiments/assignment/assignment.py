"""Assignment: eligible members drawn into arms, once and for good, with a ledger, send lists and a locked definition."""

from __future__ import annotations

from sqlglot import exp

from experiments.assignment.balance import balance
from experiments.assignment.batch import create_entering
from experiments.assignment.calendar import next_step, told_day
from experiments.assignment.closing import accept_closings, begin_record
from experiments.assignment.draw import Draw
from experiments.assignment.entry import record_entry_day, refuse_day
from experiments.assignment.ledger import Ledger, hold, ledger_rows
from experiments.assignment.ledger_folders import ledger_folders, record_folders
from experiments.assignment.open_ledger import open_ledger
from experiments.assignment.recognised import require_recognised
from experiments.assignment.rerandomise import accepted_salt, rerandomise
from experiments.assignment.sampled import sampled_classes, told_classes
from experiments.assignment.send import send_days, write_send_lists
from experiments.audience.audience import Audience, build_audience, snapshot_of
from experiments.audience.contact_levels import levels_after_send
from experiments.audience.exclusive_group import refuse_before_others
from experiments.data.catalogue import open_data
from experiments.definition.errors import RefusedError
from experiments.definition.lock import canonical_json
from experiments.documents.assignment import ArmMembers, Assignment, AssignmentFiles
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.measurement.windows import longest_window
from experiments.queries import column, count_where, fetch_rows, named, relation
from experiments.refusals import refusal

_LEDGER = "ledger"
_ENTERED = "entered"


def assign(experiment: Experiment) -> Assignment:
    """Draw the eligible members who have no arm yet, write the ledger and the send lists, and lock the definition.

    The draw is the contract's: `hash` by the member's own md5, `stratified` by rank within a stratum and a
    batch, or by the rank of their shop or household. Members who are new since the last call, or for whom the sample
    still has room, are a new batch; nobody who has an arm ever changes it, and a call with nobody new changes no file's
    content. Where members enter day by day (`snapshot: daily`), each call is decided as of its day, and a day on which
    nobody enters adds no batch.

    Raises:
        InputError: The data do not fit the definition, those who have an arm are no longer known by their keys, or a day was
            asked for that members cannot enter on.
        RefusedError: The arms are recorded, the definition differs from the one that is locked, or an experiment that
            comes first has not assigned its members.
        OutsideError: The engine or the disk fails; the ledger is as it was.
    """
    definition = experiment.definition
    if definition.assignment.method == "recorded":
        raise refusal(experiment.words, "recorded_assign", experiment=definition.id)
    refuse_day(experiment)
    ledger = open_ledger(experiment.workspace, experiment.engine)
    folders = ledger_folders(experiment)
    with hold(folders[0], experiment.progress, folders[1:]), ledger.held(experiment.progress):
        accept_closings(experiment)
        _announce_what_stands(experiment, ledger)
        refuse_before_others(experiment, snapshot_of(experiment))
        catalogue = open_data(experiment)
        audience = build_audience(experiment, catalogue)
        ledger.read(_LEDGER)
        require_recognised(experiment, catalogue, _LEDGER)
        before = ledger.state().members
        _add_batch(experiment, audience, ledger)
        if definition.audience.is_daily:
            record_entry_day(experiment.workspace, snapshot_of(experiment))
        ledger.read(_LEDGER)
        lists = write_send_lists(experiment, _LEDGER)
    experiment.progress("Comparing the arms before the experiment")
    sampled, compared = ledger.state().members, _compared(experiment)
    classes = sampled_classes(experiment, audience.relation, _LEDGER)
    return Assignment(
        experiment=definition.id,
        eligible=audience.eligible,
        sampled=sampled,
        refused=audience.refused,
        arms=_arms(experiment, sampled),
        balance=balance(experiment, audience, compared),
        files=AssignmentFiles(ledger.place, {arm: str(path) for arm, path in lists.items()}),
        rules=audience.rules,
        contact_levels=levels_after_send(experiment, audience.contact_levels, audience.relation, compared),
        classes=classes,
        notes=(*(told_day(experiment) if sampled > before else ()), *told_classes(experiment, classes)),
        salt=accepted_salt(experiment),
        next_step=next_step(experiment),
    )


def _compared(experiment: Experiment) -> str:
    """The relation of those whose arms are compared by the audience: everybody, or those who entered on its day."""
    definition, engine = experiment.definition, experiment.engine
    if not definition.audience.is_daily or definition.send is None:
        return _LEDGER
    (day,) = send_days(definition, definition.send, snapshot_of(experiment))
    has_entered = exp.GTE(this=column("planned_send_at"), expression=engine.instant_literal(day.opens))
    engine.create(_ENTERED, exp.select("*").from_(relation(_LEDGER)).where(has_entered))
    return _ENTERED


def _add_batch(experiment: Experiment, audience: Audience, ledger: Ledger) -> None:
    definition, engine = experiment.definition, experiment.engine
    before = ledger.state()
    wanted = definition.assignment.sample_size
    room = None if wanted is None else max(0, wanted - before.members)
    experiment.progress("Drawing arms")
    salt = accepted_salt(experiment) if before.exists else definition.salt
    settings = definition.assignment.rerandomise
    if settings is not None and not before.exists:
        salt = rerandomise(
            experiment,
            settings,
            audience,
            lambda tried: create_entering(experiment, audience, _LEDGER, room, tried),
        )
    else:
        create_entering(experiment, audience, _LEDGER, room, salt)
    draw = Draw(experiment, before.batches, salt)
    members, rows = draw.drawn()
    if members == 0:
        if not before.exists:
            raise _nobody(experiment, audience)
        return
    if not before.exists:
        ledger.prepare()
        begin_record(experiment)
        write_whole(experiment.workspace.lock, canonical_json(definition))
    # Before a batch stands, others of the group can find it.
    _announce(experiment, ledger, definition.origin.sha256)
    record_folders(experiment)
    experiment.progress(f"Writing {members:,} members to the ledger")
    sha256 = definition.origin.sha256
    query = ledger_rows(
        rows,
        experiment=definition.id,
        batch=draw.batch,
        assigned_at=engine.instant_literal(experiment.now),
        definition_sha256=sha256,
    )
    ledger.append(query, members=members, definition_sha256=sha256)


def _announce_what_stands(experiment: Experiment, ledger: Ledger) -> None:
    """What has been assigned is announced where it never was, even where this command will add nobody or be refused."""
    drawn_by = ledger.state().definition_sha256
    if drawn_by is not None:
        _announce(experiment, ledger, drawn_by)


def _announce(experiment: Experiment, ledger: Ledger, definition_sha256: str) -> None:
    definition = experiment.definition
    group, days = definition.audience.exclusive_group, longest_window(definition)
    ledger.announce(group, window_days=days, definition_sha256=definition_sha256)


def _nobody(experiment: Experiment, audience: Audience) -> RefusedError:
    removed = ", ".join(f"{reason} {count:,}" for reason, count in audience.refused.items() if count)
    code = "nobody_left" if removed else "nobody_enters"
    return refusal(experiment.words, code, members=f"{audience.members:,}", removed=removed)


def _arms(experiment: Experiment, sampled: int) -> tuple[ArmMembers, ...]:
    query = exp.select()
    for place, arm in enumerate(experiment.definition.all_arms):
        is_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(arm.id))
        query = query.select(named(count_where(is_arm), f"arm_{place}"))
    (row,) = fetch_rows(experiment.engine, query.from_(relation(_LEDGER)))
    counts = [int(row[f"arm_{place}"]) for place, _ in enumerate(experiment.definition.all_arms)]
    return tuple(
        ArmMembers(arm.id, count, count / sampled if sampled else 0.0)
        for arm, count in zip(experiment.definition.all_arms, counts, strict=True)
    )
