/*
 * A readers-writer lock in one word, as small and as fast as the ones that
 * the originals use: one atomic operation to take it, one to give it back.
 * A writer that is waiting does not keep readers out.
 */
#ifndef BASELINES_RWLOCK_H
#define BASELINES_RWLOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint32_t rwlock; /* number of readers, or RWLOCK_WRITER */

#define RWLOCK_WRITER 0x80000000u

/* The holder may have lost its processor: give ours away before long. */
static inline void
rwlock_wait(rwlock *lock, uint32_t while_any)
{
	for (uint32_t i = 0;
	     atomic_load_explicit(lock, memory_order_relaxed) & while_any; i++)
		if (i % 64 == 63)
			sched_yield();
}

/* Acquire: partner of both unlocks. */
static inline void
rwlock_read(rwlock *lock)
{
	while (atomic_fetch_add_explicit(lock, 1, memory_order_acquire) &
	       RWLOCK_WRITER) {
		atomic_fetch_sub_explicit(lock, 1, memory_order_relaxed);
		rwlock_wait(lock, RWLOCK_WRITER);
	}
}

static inline void
rwlock_read_end(rwlock *lock)
{
	atomic_fetch_sub_explicit(lock, 1, memory_order_release);
}

/* Acquire: partner of both unlocks. */
static inline void
rwlock_write(rwlock *lock)
{
	uint32_t unlocked = 0;

	while (!atomic_compare_exchange_weak_explicit(
		lock, &unlocked, RWLOCK_WRITER, memory_order_acquire,
		memory_order_relaxed)) {
		unlocked = 0;
		rwlock_wait(lock, UINT32_MAX);
	}
}

/* Readers that came too late may have added themselves for a moment: only
 * the writer's bit is ours. */
static inline void
rwlock_write_end(rwlock *lock)
{
	atomic_fetch_and_explicit(lock, ~RWLOCK_WRITER, memory_order_release);
}

#endif
