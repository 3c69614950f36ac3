"""Collectives read from the text of a program; bytes counted by hand."""

from recgoat_jax.planning.hlo import Collective, collectives

# A loop of 7 rounds with a hop round a ring, and a hop that starts beside other work; two gathers at once, waited for
# and started; a sum in two groups; an exchange in a branch; and a computation that nothing calls.
PROGRAM = """\
HloModule jit_step, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%body (state: (s32[], f32[100,8])) -> (s32[], f32[100,8]) {
  %state = (s32[], f32[100,8]{1,0}) parameter(0)
  %block = f32[100,8]{1,0:T(8,128)} get-tuple-element(%state), index=1
  %hop = f32[100,8]{1,0:T(8,128)} collective-permute(%block), source_target_pairs={{0,1},{1,2},{2,3},{3,0}}
  ROOT %next = (s32[], f32[100,8]{1,0}) tuple(%block, %hop)
}

%condition (state: (s32[], f32[100,8])) -> pred[] {
  %state.1 = (s32[], f32[100,8]{1,0}) parameter(0)
  %number = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  %limit.2 = s32[]{:T(128)} constant(9), metadata={op_name="jit(step)"}
  ROOT %less = pred[]{:T(512)} compare(%number, %limit.2), direction=LT, metadata={op_name="jit(step)/lt"}
}

%exchange (rows: bf16[4,10,8]) -> bf16[4,10,8] {
  %rows = bf16[4,10,8]{2,1,0} parameter(0)
  ROOT %sent = bf16[4,10,8]{2,1,0} all-to-all(%rows), replica_groups={{0,1,2,3}}, dimensions={0}
}

%nothing (rows: bf16[4,10,8]) -> bf16[4,10,8] {
  ROOT %rows.1 = bf16[4,10,8]{2,1,0} parameter(0)
}

%forgotten (x: f32[1000]) -> f32[1000] {
  %x = f32[1000]{0} parameter(0)
  ROOT %lost = f32[1000]{0} all-reduce(%x), replica_groups={}, to_apply=%add
}

ENTRY %main (p: f32[100,8], q: f32[30], r: bf16[4,10,8], s: s32[]) -> f32[100,8] {
  %p = f32[100,8]{1,0} parameter(0)
  %start = ((f32[100,8]{1,0}, s32[5]{0}), (f32[400,8]{1,0}, s32[20]{0})) all-gather-start(%p, %z), \
replica_groups=[1,4]<=[4], dimensions={0}
  %gathered = (f32[400,8]{1,0}, s32[20]{0}) all-gather-done(%start)
  %both = (f32[400,8]{1,0}, f32[40,8]{1,0}) all-gather(%p, %t), replica_groups=[1,4]<=[4], dimensions={0}
  %hop.1 = (f32[30]{0}, f32[30]{0}, u32[], u32[]) collective-permute-start(%q), source_target_pairs={{0,1},{1,0}}
  %pair = (f32[30]{0}, s32[5]{0}) all-reduce(%q, %z), replica_groups={{0,1},{2,3}}, to_apply=%add
  %looped = (s32[], f32[100,8]{1,0}) while(%init), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"7"},"unused":"x"}
  %chosen = bf16[4,10,8]{2,1,0} conditional(%s, %r, %r), branch_computations={%nothing, %exchange}
  %part = f32[25,8]{1,0} reduce-scatter(%p), replica_groups={{0,1,2,3}}, dimensions={0}, to_apply=%add
  ROOT %out = f32[100,8]{1,0} get-tuple-element(%looped), index=1
}
"""


def test_kinds_counts_and_bytes() -> None:
    found = collectives(PROGRAM, num_devices=4)
    assert found == sorted(found, key=lambda one: -one.sent)
    assert set(found) == {
        Collective("collective-permute", 8, 4, (7 * 100 * 8 + 30) * 4),
        # A chip sends its part to three others.
        Collective("all-gather", 2, 4, 3 * (2 * 100 * 8 + 5 + 10 * 8) * 4),
        # Two of two: half of the numbers each, there and back.
        Collective("all-reduce", 1, 2, (30 + 5) * 4),
        Collective("all-to-all", 1, 4, 3 * 10 * 8 * 2),
        Collective("reduce-scatter", 1, 4, 3 * 25 * 8 * 4),
    }


def test_a_loop_without_a_note_is_read_by_its_condition() -> None:
    """So the TPU compiler writes it: no note of rounds, the limit within the condition."""
    found = collectives(PROGRAM.replace("known_trip_count", "some_trip_count"), num_devices=4)
    assert Collective("collective-permute", 10, 4, (9 * 100 * 8 + 30) * 4) in found


def test_a_loop_whose_rounds_are_not_known_counts_once() -> None:
    text = PROGRAM.replace("known_trip_count", "some_trip_count").replace("direction=LT", "direction=NE")
    found = collectives(text, num_devices=4)
    assert Collective("collective-permute", 2, 4, (100 * 8 + 30) * 4) in found


def test_a_collective_beside_other_work_counts_where_it_starts() -> None:
    """So the TPU compiler writes it: the same gather where it starts, in a loop beside it, and where it ends."""
    gather = "%all-gather.1 = f32[400,8]{1,0} all-gather(%p), channel_id=1, replica_groups={{0,1,2,3}}, dimensions={0}"
    computations = [
        (
            "fused_computation.1",
            'ROOT %s = (f32[400,8]{1,0}) custom-call(%a), custom_call_target="AsyncCollectiveStart"',
        ),
        ("async_collective_fusion.7", "ROOT %t = (f32[400,8]{1,0}) tuple(%all-gather.1)"),
        ("fused_computation.2", 'ROOT %d = f32[400,8]{1,0} custom-call(%a), custom_call_target="AsyncCollectiveDone"'),
    ]
    text = "".join(
        f"%{name} (p: f32[100,8]) -> f32[400,8] {{\n  {gather}\n  {root}\n}}\n\n" for name, root in computations
    )
    calls = "".join(
        f"  %c{i} = f32[400,8]{{1,0}} fusion(%p), calls=%{name}\n" for i, (name, _) in enumerate(computations)
    )
    main = f"ENTRY %main (p: f32[100,8]) -> f32[] {{\n{calls}  ROOT %r = f32[] constant(0)\n}}\n"
    assert collectives(text + main, num_devices=4) == [Collective("all-gather", 1, 4, 3 * 100 * 8 * 4)]


def test_a_group_that_is_not_named_is_all_devices() -> None:
    text = PROGRAM.replace("replica_groups={{0,1},{2,3}}", "replica_groups={}")
    assert Collective("all-reduce", 1, 8, 2 * (30 + 5) * 4 * 7 / 8) in collectives(text, num_devices=8)


def test_a_program_without_any() -> None:
    assert collectives("ENTRY %main (p: f32[]) -> f32[] {\n  ROOT %p = f32[] parameter(0)\n}\n", num_devices=1) == []
