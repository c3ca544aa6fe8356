"""Mutations of which records count, of where a worker goes on, and of what a decision rests on."""

from tests.support.mutations import Mutation

_COUNTS = "tests/integration/guards/test_place_and_displaced.py::"
_NEXT = "tests/integration/guards/test_next_and_resume.py::"
_STATE = "tests/integration/guards/test_state_and_dead_letters.py::"
_PROJECTOR = "tests/integration/projections/test_projector_guards.py::"
_WORKER = "tests/unit/infra/test_worker_guards.py::"
_MEMBER = "tests/unit/infra/test_group_membership.py::"
_SIZES = "tests/unit/order_aggregate/test_record_sizes.py::"
_TRACE = "tests/unit/event_schemas/test_trace_context.py::"
_CORE = "tests/unit/order_aggregate/test_partition_guards.py::"

MUTATIONS_OF_THE_LOG = (
    Mutation(
        "place",
        "event_schemas/recorded.py",
        "in_place = header_number(kafka_record.headers, PLACE) == offset",
        "in_place = True",
        _COUNTS + "test_with_the_look_at_the_place_what_a_woken_writer_appends_counts_nowhere",
    ),
    Mutation(
        "displaced: another owner is ahead",
        "order_aggregate/record_appender.py",
        "                await self._end_if_another_owner(partition, batch.place, base)",
        "                pass",
        _COUNTS + "test_with_the_look_for_another_owner_a_woken_writer_ends",
    ),
    Mutation(
        "displaced: appended again",
        "order_aggregate/record_appender.py",
        "records = [record for batch, _ in displaced for record in batch.records]",
        "records = []",
        _COUNTS + "test_with_appending_again_a_displaced_record_gets_another_place",
    ),
    Mutation(
        "last heartbeat",
        "infra/faust/worker.py",
        "        if unconfirmed is not None:",
        "        if False:",
        _WORKER + "test_with_the_look_at_the_last_heartbeat_a_woken_worker_ends_first",
    ),
    Mutation(
        "last heartbeat: the time of sending",
        "infra/faust/group_membership.py",
        "if sent_at >= self._confirmed_at:",
        "if sent_at := self._clock():",
        _MEMBER + "test_an_answer_to_a_heartbeat_that_was_sent_before_the_freeze_confirms_nothing",
    ),
    Mutation(
        "resume",
        "order_aggregate/partition_state.py",
        "        self.next_command = command_offset + 1\n        self.last_command = (record.command_id, command_offset)",
        "        self.last_command = (record.command_id, command_offset)",
        _NEXT + "test_with_resume_from_the_log_whatever_was_committed_nothing_is_lost_or_doubled",
    ),
    Mutation(
        "resume: the last command's id",
        "order_aggregate/assignment.py",
        "    if found == command_id:\n        return None",
        "    if True:\n        return None",
        _NEXT + "test_with_the_look_at_the_last_commands_id_a_replaced_topic_makes_its_partition_wait",
    ),
    Mutation(
        "resume: the topic's end",
        "order_aggregate/assignment.py",
        "    if end < next_command:",
        "    if False:",
        _NEXT + "test_with_the_look_at_the_topics_end_its_partition_waits",
    ),
    Mutation(
        "resume: the topic's begin",
        "order_aggregate/assignment.py",
        "    if begin > next_command:",
        "    if False:",
        _NEXT + "test_with_the_look_at_the_topics_begin_its_partition_waits_and_says_why",
    ),
    Mutation(
        "next: a hole (aggregate)",
        "infra/event_log/runs.py",
        "        if record.offset != expected:",
        "        if False:",
        _NEXT + "test_with_the_look_for_holes_the_partition_is_read_again_from_the_hole",
    ),
    Mutation(
        "next: what is done (aggregate)",
        "infra/event_log/runs.py",
        "        if record.offset < next_offset:\n            continue",
        "        expected = record.offset if record.offset < next_offset else expected",
        _NEXT + "test_with_skipping_what_was_decided_a_fetch_that_comes_again_adds_nothing",
    ),
    Mutation(
        "next: a hole (projections)",
        "projections/live/runs.py",
        "fitting, hole = run_from(checkpoint.next_offset, records)",
        "fitting, hole = [record for record in records if record.offset >= checkpoint.next_offset], False",
        _PROJECTOR + "test_with_the_look_for_holes_the_dropped_record_is_read_again",
    ),
    Mutation(
        "next: what is done (projections)",
        "projections/live/runs.py",
        "fitting, hole = run_from(checkpoint.next_offset, records)",
        "fitting, hole = records, False",
        _PROJECTOR + "test_with_skipping_what_was_applied_a_fetch_that_comes_again_adds_nothing",
    ),
    Mutation(
        "the memory of commands",
        "order_aggregate/partition_state.py",
        "        if not self._decided.add(command.id.bytes):\n            return None",
        "",
        _NEXT + "test_with_the_memory_of_commands_one_that_was_sent_twice_ends_once",
    ),
    Mutation(
        "the memory of keys",
        "order_aggregate/partition_state.py",
        "key_used = command.key_hash is not None and not self._keys.add(_key_memory(command.key_hash))",
        "key_used = False",
        _CORE + "test_with_the_memory_of_keys_it_is_rejected",
    ),
    Mutation(
        "a record that the log might not take",
        "order_aggregate/partition_state.py",
        "    if len(value) > MAX_RECORD_VALUE_BYTES:",
        "    if False:",
        _SIZES + "test_with_the_bound_a_record_that_the_log_might_not_take_is_a_rejection_and_changes_nothing",
    ),
    Mutation(
        "a traceparent is bounded",
        "event_schemas/trace_context.py",
        "    if len(traceparent) > MAX_TRACEPARENT:",
        "    if False:",
        _TRACE + "test_any_other_starts_none",
    ),
    Mutation(
        "only a valid traceparent is handed on",
        "event_schemas/trace_context.py",
        '    return sent[0] if trace_id(sent[0].decode("latin-1")) else None',
        "    return sent[0]",
        _TRACE + "test_of_others_nothing_is_handed_on",
    ),
    Mutation(
        "routed",
        "order_aggregate/command_handler.py",
        "    if partition != kafka_record.partition:",
        "    if False:",
        _STATE + "test_with_the_look_at_the_route_a_misrouted_command_is_a_dead_letter",
    ),
    Mutation(
        "kept: decided",
        "order_aggregate/command_retention.py",
        "limit = decided if first_young is None else min(decided, first_young)",
        "limit = decided if first_young is None else first_young",
        _NEXT + "test_with_kept_only_what_is_both_decided_and_old_goes",
    ),
    Mutation(
        "kept: old",
        "order_aggregate/command_retention.py",
        "limit = decided if first_young is None else min(decided, first_young)",
        "limit = decided",
        _NEXT + "test_with_kept_what_is_decided_but_young_stays",
    ),
    Mutation(
        "a rejection is a record",
        "order_aggregate/command_handler.py",
        "                    outgoing.append(encode(decided.record, decided.value, kafka_record))",
        "                    if not isinstance(decided.record.data, CommandRejected):\n"
        "                        outgoing.append(encode(decided.record, decided.value, kafka_record))",
        _STATE + "test_with_a_record_for_a_rejection_it_stays_refused",
    ),
    Mutation(
        "a record's id follows from its command's",
        "event_schemas/ids.py",
        'return name_based(command_id.bytes + b"record")',
        'return __import__("uuid").uuid4()',
        _CORE + "test_with_ids_that_follow_from_commands_deciding_again_gives_the_same_bytes",
    ),
    Mutation(
        "deliveries are awaited",
        "order_aggregate/record_appender.py",
        "results = await asyncio.wait_for(asyncio.gather(*(batch.delivery for batch in sent)), ACKNOWLEDGED_WITHIN_S)",
        "return [batch.place + len(batch.records) for batch in sent]",
        _COUNTS + "test_with_awaiting_a_delivery_nothing_is_told_and_the_process_ends",
    ),
    Mutation(
        "a refused batch ends the process",
        "order_aggregate/record_appender.py",
        "results = await asyncio.wait_for(asyncio.gather(*(batch.delivery for batch in sent)), ACKNOWLEDGED_WITHIN_S)",
        "await asyncio.wait([batch.delivery for batch in sent]); return [batch.place + len(batch.records) for batch in sent]",
        _COUNTS + "test_with_a_refused_batch_the_process_ends_and_the_next_one_decides_both",
    ),
    Mutation(
        "one unbroken fold",
        "infra/event_log/reader.py",
        "    if hole and start + len(run) < end:",
        "    if hole:\n        return [*records, *[records[-1]] * (end - start - len(records))]\n    if False:",
        _STATE + "test_with_one_unbroken_fold_a_hole_in_it_is_an_error",
    ),
    Mutation(
        "snapshots: checksum",
        "order_aggregate/snapshot_file.py",
        "    if _checksum([body]) != checksum:",
        "    if False:",
        _STATE + "test_with_the_checksum_a_flipped_bit_costs_a_longer_fold",
    ),
    Mutation(
        "snapshots: fold version",
        "order_aggregate/snapshots.py",
        '    if (head["fold_version"], head["partition"]) != (FOLD_VERSION, number):',
        "    if False:",
        _STATE + "test_with_the_look_at_the_fold_version_another_releases_snapshot_is_ignored",
    ),
    Mutation(
        "snapshots: last record",
        "order_aggregate/snapshots.py",
        "                if _digest(records[0].value) == found[number].last_digest:",
        "                if True:",
        _STATE + "test_with_the_look_at_the_last_record_another_logs_snapshot_is_ignored",
    ),
    Mutation(
        "snapshots: only what is acknowledged",
        "order_aggregate/command_handler.py",
        "        await asyncio.gather(*appends)\n        self._ports.snapshots.take_due(self._partitions)  # nothing is in flight here",
        "        for number in records:\n            self._partitions[number].next_place += 1\n"
        "        self._ports.snapshots.take_due(self._partitions)\n        await asyncio.gather(*appends)",
        _STATE + "test_with_waiting_for_the_acknowledgement_no_snapshot_is_written_of_it",
    ),
)
