/*
 * Recovery: one pass over the heads, then the order of use.
 *
 * Every head that decodes names a value that was whole when it was written;
 * whether the value still is, its reader finds out.  Two slots may name one
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
	const struct slot_file *file;
	struct directory *d;
	uint64_t *sequences; /* of each slot in use */
	uint32_t *order;     /* slots in use, by sequence in the end */
};

static void
slot_empty(const struct recovery *r, uint32_t slot, const char *why)
{
	uint8_t zeros[SLOT_HEAD] = {0};
	struct iovec iov = {zeros, sizeof(zeros)};

	/* If this fails the slot is dropped again at the next opening. */
	(void)aibrix__file_write(r->file->fd, &iov, 1,
				 aibrix__slot_at(r->file, slot));
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
	r->sequences[slot] = head->sequence;
}

/* 0, errno or FILE_END. */
static int
slot_recover(struct recovery *r, uint32_t slot)
{
	uint8_t bytes[SLOT_HEAD];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct slot_head head;
	int failed;

	failed = aibrix__file_read(r->file->fd, &iov, 1,
				   aibrix__slot_at(r->file, slot));
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
order_touch(struct recovery *r, uint64_t *sequence)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < r->d->slots; slot++)
		if (aibrix__directory_uses(r->d, slot))
			r->order[n++] = slot;
	order_sort(r, n);
	for (uint32_t i = 0; i < n; i++)
		aibrix__directory_hit(r->d, r->order[i]);
	*sequence = n ? r->sequences[r->order[n - 1]] : 0;
}

static int
recover(struct recovery *r, uint64_t *sequence)
{
	const aibrix_backend_conf *conf = r->conf;

	for (uint32_t slot = 0; slot < r->d->slots; slot++) {
		int failed = slot_recover(r, slot);

		if (failed) {
			aibrix__log(conf->log, AIBRIX_LOG_ERROR,
				    LOG_STORE_REFUSED,
				    "store %s: not opened: reading slot "
				    "%" PRIu32 ": errno %d",
				    conf->path, slot, failed);
			return aibrix__file_status(failed);
		}
	}
	order_touch(r, sequence);
	aibrix__directory_settle(r->d);
	conf->stat->recovered = r->d->used;
	conf->stat->values = r->d->used;
	conf->stat->capacity_values = r->d->slots;
	aibrix__log(conf->log,
		    conf->stat->dropped ? AIBRIX_LOG_WARN : AIBRIX_LOG_INFO,
		    LOG_STORE_OPENED,
		    "store %s: opened, %" PRIu32 " of %" PRIu32
		    " slots hold values, %" PRIu64 " damaged ones dropped",
		    conf->path, r->d->used, r->d->slots, conf->stat->dropped);
	return AIBRIX_OK;
}

int
aibrix__slots_recover(const aibrix_backend_conf *conf,
		      const struct slot_file *file, struct directory *d,
		      uint64_t *sequence)
{
	struct recovery r = {.conf = conf, .file = file, .d = d};
	int err = AIBRIX_E_NOMEM;

	r.sequences =
		aibrix__alloc(conf->alloc, d->slots, sizeof(*r.sequences));
	r.order = aibrix__alloc(conf->alloc, d->slots, sizeof(*r.order));
	if (r.sequences && r.order)
		err = recover(&r, sequence);
	aibrix__free(conf->alloc, r.order, d->slots, sizeof(*r.order));
	aibrix__free(conf->alloc, r.sequences, d->slots, sizeof(*r.sequences));
	return err;
}
