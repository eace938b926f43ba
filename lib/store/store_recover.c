/*
 * Recovery: one pass over the heads, then the order of use.
 *
 * Heads are read many at a time.  Every head that decodes names a value; that
 * it is whole the caller asks for the last ones, which a crash may have left
 * half written, and its reader for all others.  Two slots may name one
 * key only after a failed write; the later one counts.
 *
 * Values are entered in the order of slots and then touched in the order of
 * their sequence numbers: so the heads are read once, forwards, and memory
 * is 12 bytes for each slot, for the time of opening.
 */

#include "store/store_recover.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

struct recovery {
	const aibrix_backend_conf *conf;
	struct carry *carry;
	const struct slot_file *file;
	struct directory *d;
	uint64_t *sequences; /* of each slot in use */
	uint32_t *order;     /* slots in use, by sequence in the end */
};

static void
slot_empty(struct recovery *r, uint32_t slot, const char *why)
{
	/* If this fails the slot is dropped again at the next opening. */
	(void)aibrix__carry_clear(r->carry, r->file, slot);
	aibrix__log(r->conf->log, AIBRIX_LOG_DEBUG, LOG_STORE_SLOT_DROPPED,
		    "store %s: slot %" PRIu32 " dropped: %s", r->conf->path,
		    slot, why);
	r->conf->stat->dropped++;
}

static void
slot_enter(struct recovery *r, uint32_t slot, const struct slot_head *head)
{
	uint32_t other =
		aibrix__directory_find(r->d, head->key, head->key_bytes);

	if (other != SLOT_NONE && r->sequences[other] >= head->sequence) {
		slot_empty(r, slot, "a later write has its key");
		return;
	}
	if (other != SLOT_NONE) {
		aibrix__directory_release(r->d, other);
		slot_empty(r, other, "a later write has its key");
	}
	aibrix__directory_claim(r->d, slot);
	aibrix__directory_add(r->d, slot, head->key, head->key_bytes,
			      head->bytes);
	r->d->places[slot].lead = (uint16_t)head->lead;
	r->sequences[slot] = head->sequence;
}

/* The head was read, or was not: 0, errno or FILE_END. */
static int
slot_recover(struct recovery *r, uint32_t slot, const uint8_t *bytes,
	     int failed)
{
	struct slot_head head;

	if (failed == EIO) {
		aibrix__directory_claim(r->d, slot);
		aibrix__directory_retire(r->d, slot);
		r->conf->stat->dropped++;
		return 0;
	}
	if (failed)
		return failed;
	switch (aibrix__slot_decode(r->file, slot, bytes, &head)) {
	case AIBRIX_OK: slot_enter(r, slot, &head); break;
	case AIBRIX_E_NOT_FOUND: break;
	case AIBRIX_E_BUSY: slot_empty(r, slot, "half written"); break;
	default: slot_empty(r, slot, "its head is damaged");
	}
	return 0;
}

/* Sequences of a hostile file may be equal: then by slot. */
static int
slot_is_before(const struct recovery *r, uint32_t a, uint32_t b)
{
	if (r->sequences[a] != r->sequences[b])
		return r->sequences[a] < r->sequences[b];
	return a < b;
}

/* Let order[at] sink in the heap of n, latest first. */
static void
order_sink(struct recovery *r, uint32_t at, uint32_t n)
{
	uint32_t slot = r->order[at], child;

	for (; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n &&
		    slot_is_before(r, r->order[child], r->order[child + 1]))
			child++;
		if (!slot_is_before(r, slot, r->order[child]))
			break;
		r->order[at] = r->order[child];
	}
	r->order[at] = slot;
}

/* Heap sort: qsort may allocate behind the allocator's back. */
static void
order_sort(struct recovery *r, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		order_sink(r, i, n);
	for (uint32_t left = n; left > 1; left--) {
		uint32_t last = r->order[left - 1];

		r->order[left - 1] = r->order[0];
		r->order[0] = last;
		order_sink(r, 0, left - 1);
	}
}

static void
order_touch(struct recovery *r, struct recovered *found)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < r->d->slots; slot++)
		if (aibrix__directory_uses(r->d, slot))
			r->order[n++] = slot;
	order_sort(r, n);
	for (uint32_t i = 0; i < n; i++)
		aibrix__directory_hit(r->d, r->order[i]);
	found->sequence = n ? r->sequences[r->order[n - 1]] : 0;
	found->n_last = n < found->cap ? n : found->cap;
	memcpy(found->last, r->order + n - found->n_last,
	       found->n_last * sizeof(*found->last));
}

static int
heads_recover(struct recovery *r, uint32_t first, uint32_t n)
{
	int failed[CARRY_STEPS];

	aibrix__carry_heads(r->carry, r->file, first, n, failed);
	for (uint32_t i = 0; i < n; i++) {
		int err = slot_recover(r, first + i, r->carry->steps[i].edge,
				       failed[i]);

		if (!err)
			continue;
		aibrix__log(r->conf->log, AIBRIX_LOG_ERROR, LOG_STORE_REFUSED,
			    "store %s: not opened: reading slot %" PRIu32
			    ": errno %d",
			    r->conf->path, first + i, err);
		return aibrix__file_status(err);
	}
	return AIBRIX_OK;
}

static int
recover(struct recovery *r, struct recovered *found)
{
	uint32_t n;
	int err;

	for (uint32_t slot = 0; slot < r->d->slots; slot += n) {
		n = r->d->slots - slot;
		if (n > r->carry->n_steps)
			n = r->carry->n_steps;
		err = heads_recover(r, slot, n);
		if (err)
			return err;
	}
	order_touch(r, found);
	aibrix__directory_settle(r->d);
	return AIBRIX_OK;
}

int
aibrix__slots_recover(struct carry *carry, const struct slot_file *file,
		      struct directory *d, struct recovered *found)
{
	const aibrix_allocator *alloc = carry->conf->alloc;
	struct recovery r = {
		.conf = carry->conf, .carry = carry, .file = file, .d = d};
	int err = AIBRIX_E_NOMEM;

	r.sequences = aibrix__alloc(alloc, d->slots, sizeof(*r.sequences));
	r.order = aibrix__alloc(alloc, d->slots, sizeof(*r.order));
	if (r.sequences && r.order)
		err = recover(&r, found);
	aibrix__free(alloc, r.order, d->slots, sizeof(*r.order));
	aibrix__free(alloc, r.sequences, d->slots, sizeof(*r.sequences));
	return err;
}
