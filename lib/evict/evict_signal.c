/*
 * What happened, for a caller that acts on it later: writes what is hot to
 * another tier, announces what went.
 *
 * A ring of fixed length.  Nothing is called back: who drains the ring holds
 * no lock while it does its I/O.  Unlike AIBrix (l1/eviction_policy), whose
 * callbacks write a block to L2 inside the lock of L1.  When the ring is
 * full the new signal is dropped and counted: a signal is a hint, and an
 * order must not wait for whoever takes hints.
 */

#include "evict/evict_internal.h"

struct evict_signals {
	aibrix_evict_signal *ring;
	uint32_t cap, first, count;
	uint32_t kinds;
	uint64_t lost;
};

int
aibrix__signals_open(aibrix_evict *evict, uint32_t cap, uint32_t kinds)
{
	struct evict_signals *s;

	if (cap == 0)
		return AIBRIX_OK;
	s = aibrix__alloc(&evict->alloc, 1, sizeof(*s));
	if (!s)
		return AIBRIX_E_NOMEM;
	evict->signals = s;
	s->cap = cap;
	s->kinds = kinds;
	s->ring = aibrix__alloc(&evict->alloc, cap, sizeof(*s->ring));
	return s->ring ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

void
aibrix__signals_close(aibrix_evict *evict)
{
	struct evict_signals *s = evict->signals;

	if (!s)
		return;
	aibrix__free(&evict->alloc, s->ring, s->cap, sizeof(*s->ring));
	aibrix__free(&evict->alloc, s, 1, sizeof(*s));
}

void
aibrix__signals_add(aibrix_evict *evict, uint32_t slot, uint32_t kind)
{
	struct evict_signals *s = evict->signals;
	uint64_t at = (uint64_t)s->first + s->count;

	if (!(s->kinds & kind))
		return;
	if (s->count == s->cap) {
		s->lost++;
		return;
	}
	s->ring[at % s->cap] = (aibrix_evict_signal){
		evict->slots[slot].fingerprint, slot, kind};
	s->count++;
}

void
aibrix__signals_stats(const aibrix_evict *evict, aibrix_evict_stat *stat)
{
	if (!evict->signals)
		return;
	stat->signals = evict->signals->count;
	stat->signals_lost = evict->signals->lost;
}

int
aibrix_evict_drain(aibrix_evict *evict, aibrix_evict_signal *signals,
		   uint32_t cap, uint32_t *n)
{
	struct evict_signals *s;
	uint32_t taken = 0;

	if (!evict || !n || (cap > 0 && !signals))
		return AIBRIX_E_INVAL;
	s = evict->signals;
	for (; s && taken < cap && s->count > 0; taken++) {
		signals[taken] = s->ring[s->first];
		s->first = s->first + 1 == s->cap ? 0 : s->first + 1;
		s->count--;
	}
	*n = taken;
	return AIBRIX_OK;
}
