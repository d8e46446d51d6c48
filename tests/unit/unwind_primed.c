/* SPDX-License-Identifier: MIT */
/*
 * Goal: the unwinder also works on a libc without _dl_find_object (musl, older glibc), where it
 * keeps a table of the modules.
 * Method: the linker takes the function away, and the tests of the unwinder run again.
 *
 * matrix: once
 */
/* ldflags: -Wl,--eh-frame-hdr -no-pie -Wl,--defsym=_dl_find_object=0 */
#define UNWIND_WITHOUT_BACKTRACE
#include "unwind.c"

TEST(no_module_is_known_before_priming)
{
    void *sp = weft__ctx_make(parked_stack + STACK_BYTES, parked_entry, &parked_sp, NULL);
    at_depth = park;
    weft__ctx_switch(&main_sp, sp);
    walk_parked((uintptr_t)parked_sp, parked_stack);
    CHECK_EQ(walk.count, 1);
    weft__unwind_prime();
    walk_parked((uintptr_t)parked_sp, parked_stack);
    CHECK_EQ(walk.count, 8);
}

TEST(priming_again_and_again_changes_nothing)
{
    for (int i = 0; i < 5; i++) {
        walk_parked(make_parked(), parked_stack);
        CHECK_EQ(walk.count, 8);
        check_names(&walk, parked_names, 8);
    }
}
