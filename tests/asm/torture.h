/* SPDX-License-Identifier: MIT */
/* torture.h - a context that leaves with known registers, and looks at them when it is back. */
#ifndef WEFT_TEST_TORTURE_H
#define WEFT_TEST_TORTURE_H

#include "asm_test.h"

/* A context's registers before and after, and what it waits for; static, since a local that lives
 * across a switch to another thread is more than the sanitizers bear from a switch they are not
 * told of. */
struct torture {
    uint64_t owner, in[REGISTER_COUNT], out[OUT_COUNT];
    int result;
};

/* Away and back with values of our own in the registers: they must come back, at the same place,
 * and with what has been stored in t->result meanwhile, where that is waited for. */
TEST_FN void leave_from(place_fn *place, struct torture *t, void **save, void **load,
                        uint64_t round, leave_fn *way)
{
    registers_fill(t->in, t->owner, round);
    const int result = place(save, *load, t->in, t->out, way, &t->result);
    for (int i = 0; i < REGISTER_COUNT; i++)
        if (t->in[i] != t->out[i])
            TEST_FAIL("register %d (DWARF) of context %d is %#llx, not %#llx", register_dwarf(i),
                      (int)t->owner, (unsigned long long)t->out[i], (unsigned long long)t->in[i]);
    CHECK_EQ(t->out[REGISTER_COUNT], (uintptr_t)place);
    if (has_result(way))
        CHECK_EQ(result, t->result);
}

TEST_FN void leave_and_compare(struct torture *t, void **save, void **load, uint64_t round,
                               leave_fn *way)
{
    leave_from(test_switch_registers, t, save, load, round, way);
}

#endif
