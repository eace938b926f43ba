/*
 * A pair of fences of which one is nearly free: what is done often (light)
 * and what is done rarely (heavy) order a store and a later load against
 * each other, as two sequentially consistent fences would.
 *
 * Where the kernel can make all threads of the process pass a barrier
 * (membarrier, Linux 4.14), light is an instruction to the compiler only.
 */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include <stdatomic.h>

/* 1: this process may use the cheap form; ask once per object. */
int aibrix__fence_asymmetric(void);

void aibrix__fence_heavy(int asymmetric);

static inline void
fence_light(int asymmetric)
{
	if (asymmetric)
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
}

#endif
