/* SPDX-License-Identifier: MIT */
/* place.c - see place.h. */
#include "place.h"

#include <string.h>

#include "sched.h"

/* What m->role and m->cpu say, if not the index of a P and the number of a CPU. */
enum {
    ROLE_SPARE = -1,
    ROLE_OUTSIDE = -2,
    CPU_ANY = -1, /* the runtime's */
};

void weft__place_init(struct weft__place *place)
{
    const struct weft__m *m = weft__m_self();
    memset(place, 0, sizeof *place);
    if (m != NULL && m->rt->place.is_used) { /* it may be bound at the moment */
        place->own = m->rt->place.own;
        place->is_used = true;
    } else {
        (void)weft__sys_cpus_get(&place->own); /* empty if the kernel does not tell */
    }
}

int weft__place_cpu(const struct weft__place *place, int p_index)
{
    int n = weft__cpu_set_count(&place->of_p);
    return n > 0 && p_index >= 0 ? weft__cpu_set_nth(&place->of_p, p_index % n) : CPU_ANY;
}

/* A kernel that has changed its mind about the CPUs of the process leaves the thread where it may
 * be; it is asked again when there is another one to go to. */
static void go_to(struct weft__m *m, int cpu)
{
    struct weft__cpu_set one;
    if (!m->rt->place.is_used || m->cpu == cpu) {
        return;
    }
    m->cpu = cpu;
    if (cpu == CPU_ANY) {
        (void)weft__sys_cpus_set(&m->rt->place.own);
        return;
    }
    memset(&one, 0, sizeof one);
    weft__cpu_set_add(&one, cpu);
    (void)weft__sys_cpus_set(&one);
}

void weft__place_name(char name[WEFT__THREAD_NAME_BYTES], const char *prefix, const char *role)
{
    size_t room = WEFT__THREAD_NAME_BYTES - strlen(role) - 1;
    struct weft__text t;
    weft__text_init(&t, name, room);
    weft__text_add(&t, prefix);
    t.bytes = WEFT__THREAD_NAME_BYTES;
    weft__text_add(&t, "-");
    weft__text_add(&t, role);
}

static void call_itself(struct weft__m *m, int role)
{
    char name[WEFT__THREAD_NAME_BYTES];
    char digits[8];
    struct weft__text t;
    if (m->role == role) {
        return;
    }
    m->role = role;
    weft__text_init(&t, digits, sizeof digits);
    if (role >= 0) {
        weft__text_int(&t, role);
    } else {
        weft__text_add(&t, role == ROLE_SPARE ? "spare" : "out");
    }
    weft__place_name(name, m->rt->thread_name, digits);
    weft__sys_thread_name(name);
}

void weft__place_on_p(struct weft__m *m)
{
    go_to(m, m->p->cpu);
    call_itself(m, (int)m->p->index);
}

void weft__place_spare(struct weft__m *m)
{
    call_itself(m, ROLE_SPARE);
}

void weft__place_outside(struct weft__m *m)
{
    go_to(m, CPU_ANY);
    call_itself(m, ROLE_OUTSIDE);
}

void weft__place_in_child(const struct weft__m *m)
{
    if (m->rt->place.is_used) {
        (void)weft__sys_cpus_set(&m->rt->place.own);
    }
}
