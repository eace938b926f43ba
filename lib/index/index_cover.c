/*
 * Who holds which blocks of a run.
 *
 *   FULL    all of it, one copy of each block on the device: a bit in the
 *           run; for owners beyond the bits a part whose cut is ALL
 *   CUT     the same of the first n blocks: a part
 *   DETAIL  anything else (a hole, other tiers): a part with a bit per block
 *           and tier, which only the writer reads, and the two numbers of
 *           leading blocks that follow from it
 *
 * Nearly all memberships are FULL and cost a bit.  Further copies are
 * counted in extras, whatever the form.
 *
 * Lookups read parts without a lock: an array never changes its owners, an
 * insertion publishes a new one, and numbers change in place.  An owner that
 * is done leaves its entry behind with zeros.  What grows is shown in any
 * order; what shrinks is followed by a new version of the run.
 *
 * A removal cannot be refused.  When there is no memory for what it leaves,
 * more is forgotten: never is a block shown that is not held.
 */

#include "index/index_detail.h"

#include <string.h>

#include "base/alloc.h"

static size_t
parts_bytes(uint32_t n)
{
	return sizeof(struct parts) + n * sizeof(struct part);
}

static void
detail_free(struct aibrix_index *index, const struct run *run,
	    struct detail *detail)
{
	aibrix__mem_give(&index->mem, detail, 1, detail_bytes(run->cap));
}

/* The first part whose owner is not below owner. */
static uint32_t
part_lower(const struct parts *parts, uint32_t owner)
{
	uint32_t from = 0, to = parts ? parts->n : 0;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (parts->at[middle].owner < owner)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The owner's entry, also when it is gone. */
static struct part *
part_find(struct parts *parts, uint32_t owner)
{
	uint32_t i = part_lower(parts, owner);

	if (!parts || i == parts->n || parts->at[i].owner != owner)
		return NULL;
	return &parts->at[i];
}

enum cover
aibrix__cover(const struct run *run, uint32_t owner, uint32_t *n,
	      struct part **part)
{
	uint32_t held;

	*part = NULL;
	*n = run_len(run);
	if (cover_bit(run, owner))
		return COVER_FULL;
	*part = part_find(run_parts(run), owner);
	if (!*part || part_gone(*part)) {
		*n = 0;
		return COVER_NONE;
	}
	if ((*part)->detail)
		return COVER_DETAIL;
	held = atomic_load_explicit(&(*part)->held, memory_order_relaxed);
	if (held == ALL)
		return COVER_FULL;
	*n = held;
	return COVER_CUT;
}

int
aibrix__cover_has(const struct run *run, uint32_t owner, uint32_t tier,
		  uint32_t off)
{
	struct part *part;
	uint32_t n;

	if (aibrix__cover(run, owner, &n, &part) == COVER_DETAIL)
		return detail_has(part->detail, tier, off);
	return off < n && (tier == AIBRIX_TIER_DEVICE || tier == AIBRIX_TIERS);
}

uint32_t
aibrix__cover_held(const struct run *run, uint32_t owner)
{
	struct part *part;
	uint32_t n;

	if (aibrix__cover(run, owner, &n, &part) == COVER_DETAIL)
		return part->detail->held;
	return n;
}

uint32_t
aibrix__cover_end(const struct run *run)
{
	const struct parts *parts = run_parts(run);
	uint32_t len = run_len(run), end = 0;

	for (uint32_t i = 0; i < INLINE_OWNERS / 64; i++)
		if (atomic_load_explicit(&run->cover[i], memory_order_relaxed))
			return len;
	for (uint32_t i = 0; parts && i < parts->n; i++) {
		const struct part *part = &parts->at[i];
		uint32_t n =
			part->detail
				? detail_end(part->detail)
				: atomic_load_explicit(&part->held,
						       memory_order_relaxed);

		n = n == ALL ? len : n;
		end = n > end ? n : end;
	}
	return end;
}

static void
part_set(struct part *part, uint32_t held, uint32_t device)
{
	atomic_store_explicit(&part->held, held, memory_order_release);
	atomic_store_explicit(&part->device, device, memory_order_release);
}

static void
parts_publish(struct aibrix_index *index, struct run *run, struct parts *parts)
{
	struct parts *old = run_parts(run);

	atomic_store_explicit(&run->parts, parts, memory_order_release);
	if (old) /* its details live on in the new one */
		aibrix__retire(index, old, &old->retired, parts_bytes(old->n));
}

/* The owner's entry says nothing any more. */
static void
part_drop(struct aibrix_index *index, struct run *run, struct part *part)
{
	struct parts *parts = run_parts(run);

	if (part->detail)
		detail_free(index, run, part->detail);
	part->detail = NULL;
	part_set(part, 0, 0);
	if (++parts->gone == parts->n)
		parts_publish(index, run, NULL);
}

static void
part_copy(struct part *to, const struct part *from)
{
	to->owner = from->owner;
	to->detail = from->detail;
	part_set(to, atomic_load_explicit(&from->held, memory_order_relaxed),
		 atomic_load_explicit(&from->device, memory_order_relaxed));
}

/* A copy of the run's parts with an empty entry for owner, who has none. */
static struct parts *
parts_with(struct aibrix_index *index, const struct run *run, uint32_t owner,
	   int *err)
{
	const struct parts *old = run_parts(run);
	uint32_t n = old ? old->n - old->gone + 1 : 1, to = 0, i = 0;
	struct parts *parts =
		aibrix__mem_take(&index->mem, 1, parts_bytes(n), err);

	if (!parts)
		return NULL;
	parts->n = n;
	parts->gone = 1;
	for (; old && i < old->n && old->at[i].owner < owner; i++)
		if (!part_gone(&old->at[i]))
			part_copy(&parts->at[to++], &old->at[i]);
	parts->at[to++].owner = owner;
	for (; old && i < old->n; i++)
		if (!part_gone(&old->at[i]))
			part_copy(&parts->at[to++], &old->at[i]);
	return parts;
}

/* Will owner, who then holds the first n blocks, only need a bit? */
static int
bit_suffices(const struct run *run, uint32_t owner, uint32_t n)
{
	return owner < INLINE_OWNERS && n == run_len(run);
}

static uint32_t
range_overlap(uint32_t from, uint32_t to, uint32_t n)
{
	uint32_t end = to < n ? to : n;

	return from < end ? end - from : 0;
}

/* Is there a block of [from, to) whose copies cannot be counted further? */
static int
copies_full(const struct aibrix_index *index, const struct run *run,
	    uint32_t owner, uint32_t tier, uint32_t from, uint32_t to)
{
	if (!run->extras || !index->owners[owner]->extras)
		return 0;
	for (uint32_t off = from; off < to; off++)
		if (aibrix__extra_count(index, run, off, owner, tier) >=
		    UINT32_MAX - 1)
			return 1;
	return 0;
}

int
aibrix__cover_reserve(struct aibrix_index *index, uint32_t owner, uint32_t tier,
		      struct grant *grant)
{
	const struct run *run = grant->run;
	int on_device = tier == AIBRIX_TIER_DEVICE, err = AIBRIX_OK;
	struct part *part;
	uint32_t n;
	enum cover form = aibrix__cover(run, owner, &n, &part);
	int prefix = on_device && form != COVER_DETAIL && grant->from <= n;

	grant->parts = NULL;
	grant->detail = NULL;
	grant->copies = 0;
	if (form == COVER_DETAIL) {
		for (uint32_t off = grant->from; off < grant->to; off++)
			grant->copies +=
				(uint32_t)detail_has(part->detail, tier, off);
	} else if (on_device) {
		grant->copies = range_overlap(grant->from, grant->to, n);
	}
	if (grant->copies &&
	    copies_full(index, run, owner, tier, grant->from, grant->to))
		return AIBRIX_E_FULL;
	if (form == COVER_DETAIL || (prefix && form == COVER_FULL) ||
	    (prefix && !part &&
	     bit_suffices(run, owner, grant->to > n ? grant->to : n)))
		return AIBRIX_OK;
	if (!prefix)
		grant->detail = aibrix__mem_take(&index->mem, 1,
						 detail_bytes(run->cap), &err);
	if (!err && !part)
		grant->parts = parts_with(index, run, owner, &err);
	if (err)
		aibrix__cover_release(index, grant);
	return err;
}

void
aibrix__cover_release(struct aibrix_index *index, struct grant *grant)
{
	if (grant->detail)
		detail_free(index, grant->run, grant->detail);
	if (grant->parts)
		aibrix__mem_give(&index->mem, grant->parts, 1,
				 parts_bytes(grant->parts->n));
	grant->detail = NULL;
	grant->parts = NULL;
}

/* The owner's entry, ready to be filled: the one it has, or the one in
 * parts, which are then the run's. */
static struct part *
part_ready(struct aibrix_index *index, struct run *run, uint32_t owner,
	   struct part *part, struct parts *parts)
{
	if (parts) {
		parts_publish(index, run, parts);
		part = part_find(parts, owner);
	}
	if (part_gone(part))
		run_parts(run)->gone--;
	return part;
}

static void
bit_set(struct run *run, uint32_t owner)
{
	atomic_fetch_or_explicit(&run->cover[owner / 64],
				 (uint64_t)1 << owner % 64,
				 memory_order_release);
}

static void
bit_clear(struct run *run, uint32_t owner)
{
	if (owner < INLINE_OWNERS)
		atomic_fetch_and_explicit(&run->cover[owner / 64],
					  ~((uint64_t)1 << owner % 64),
					  memory_order_release);
}

/*
 * Shown to lookups as all of the run.  Who has read the bits before and the
 * entry afterwards has seen neither; the version tells, so it changes first.
 */
static void
cover_whole(struct aibrix_index *index, struct run *run, uint32_t owner,
	    struct part *part)
{
	if (owner >= INLINE_OWNERS) {
		part_set(part, ALL, ALL);
		return;
	}
	bit_set(run, owner);
	if (!part || part_gone(part))
		return;
	aibrix__run_shrunk(run);
	part_drop(index, run, part);
}

/* The detail has changed: show it, or do without it. */
static void
detail_show(struct aibrix_index *index, struct run *run, struct part *part)
{
	struct detail *d = part->detail;
	uint32_t device = detail_leading(d, 0);

	if (!detail_plain(d, device)) {
		part_set(part, detail_leading(d, 1), device);
		return;
	}
	part_set(part, device, device);
	part->detail = NULL;
	detail_free(index, run, d);
	if (device == run_len(run))
		cover_whole(index, run, part->owner, part);
}

static void
cover_begin(struct aibrix_index *index, struct run *run, uint32_t owner)
{
	struct owner *o = index->owners[owner];

	o->runs.items[o->runs.n++] = run->id;
	o->n_runs++;
	run->holders++;
}

static void
cover_end(struct aibrix_index *index, struct run *run, uint32_t owner)
{
	index->owners[owner]->n_runs--;
	run->holders--;
}

static void
copies_add(struct aibrix_index *index, uint32_t owner, uint32_t tier,
	   const struct grant *grant)
{
	if (!grant->copies)
		return;
	for (uint32_t off = grant->from; off < grant->to; off++)
		if (aibrix__cover_has(grant->run, owner, tier, off))
			aibrix__extra_add(index, grant->run, off, owner, tier,
					  1);
	index->stat.duplicates += grant->copies;
}

static void
detail_add(struct aibrix_index *index, struct detail *d, uint32_t tier,
	   uint32_t from, uint32_t to)
{
	for (uint32_t off = from; off < to; off++) {
		if (!detail_has(d, AIBRIX_TIERS, off)) {
			d->held++;
			index->stat.held++;
		}
		d->bits[tier * d->words + off / 64] |= (uint64_t)1 << off % 64;
	}
}

void
aibrix__cover_add(struct aibrix_index *index, uint32_t owner, uint32_t tier,
		  struct grant *grant)
{
	struct run *run = grant->run;
	struct part *part;
	uint32_t n, to;
	enum cover form = aibrix__cover(run, owner, &n, &part);

	if (form == COVER_NONE)
		cover_begin(index, run, owner);
	copies_add(index, owner, tier, grant);
	to = grant->to > n ? grant->to : n;
	if (form != COVER_DETAIL && !grant->detail) {
		index->stat.held += to - n;
		if (form == COVER_FULL)
			return;
		if (bit_suffices(run, owner, to)) {
			cover_whole(index, run, owner, part);
			return;
		}
		part = part_ready(index, run, owner, part, grant->parts);
		grant->parts = NULL;
		if (to == run_len(run))
			to = ALL;
		part_set(part, to, to);
		return;
	}
	if (grant->detail) {
		detail_fill(grant->detail, (run->cap + 63) / 64, n);
		detail_add(index, grant->detail, tier, grant->from, grant->to);
		part = part_ready(index, run, owner, part, grant->parts);
		part->detail = grant->detail;
		grant->detail = NULL;
		grant->parts = NULL;
	} else {
		detail_add(index, part->detail, tier, grant->from, grant->to);
	}
	detail_show(index, run, part);
	if (form == COVER_FULL)
		bit_clear(run, owner);
}

/* Nothing of the run is left to owner. */
static void
cover_none(struct aibrix_index *index, struct run *run, uint32_t owner,
	   struct part *part)
{
	bit_clear(run, owner);
	if (part && !part_gone(part))
		part_drop(index, run, part);
	cover_end(index, run, owner);
}

/* FULL or CUT becomes a CUT at n, above 0. */
static void
cover_cut(struct aibrix_index *index, struct run *run, uint32_t owner,
	  struct part *part, uint32_t held, uint32_t n)
{
	struct parts *parts = NULL;
	int err = AIBRIX_OK;

	if (!part) {
		if (run->holders == 1 && aibrix__run_shorten(index, run, n)) {
			index->stat.held -= held - n;
			return;
		}
		parts = parts_with(index, run, owner, &err);
	}
	if (err) {
		index->stat.held -= held;
		index->stat.forgotten += n;
		aibrix__extras_drop(index, run, owner);
		cover_none(index, run, owner, NULL);
		return;
	}
	index->stat.held -= held - n;
	part_set(part_ready(index, run, owner, part, parts), n, n);
	bit_clear(run, owner);
}

/* FULL or CUT becomes a DETAIL without [from, to). */
static void
cover_pierce(struct aibrix_index *index, struct run *run, uint32_t owner,
	     struct part *part, uint32_t held, uint32_t from, uint32_t to)
{
	int err = AIBRIX_OK;
	struct detail *d =
		aibrix__mem_take(&index->mem, 1, detail_bytes(run->cap), &err);
	struct parts *parts = NULL;

	if (!err && !part)
		parts = parts_with(index, run, owner, &err);
	if (err) {
		if (d)
			detail_free(index, run, d);
		index->stat.forgotten += held - to;
		aibrix__extras_drop(index, run, owner);
		if (from) {
			cover_cut(index, run, owner, part, held, from);
		} else {
			index->stat.held -= held;
			cover_none(index, run, owner, part);
		}
		return;
	}
	detail_fill(d, (run->cap + 63) / 64, held);
	for (uint32_t off = from; off < to; off++)
		d->bits[off / 64] &= ~((uint64_t)1 << off % 64);
	d->held -= to - from;
	index->stat.held -= to - from;
	part = part_ready(index, run, owner, part, parts);
	part->detail = d;
	part_set(part, from, from);
	bit_clear(run, owner);
}

static uint32_t
detail_take(struct aibrix_index *index, struct run *run, uint32_t owner,
	    uint32_t tier, struct part *part, uint32_t from, uint32_t to)
{
	struct detail *d = part->detail;
	uint32_t taken = 0;

	for (uint32_t off = from; off < to; off++) {
		if (!detail_has(d, tier, off))
			continue;
		taken++;
		d->bits[tier * d->words + off / 64] &=
			~((uint64_t)1 << off % 64);
		if (!detail_has(d, AIBRIX_TIERS, off)) {
			d->held--;
			index->stat.held--;
		}
	}
	if (d->held)
		detail_show(index, run, part);
	else
		cover_none(index, run, owner, part);
	return taken;
}

/* When no block of the range has further copies. */
static uint32_t
range_take(struct aibrix_index *index, uint32_t owner, uint32_t tier,
	   struct run *run, uint32_t from, uint32_t to)
{
	struct part *part;
	uint32_t n;
	enum cover form = aibrix__cover(run, owner, &n, &part);

	if (form == COVER_DETAIL)
		return detail_take(index, run, owner, tier, part, from, to);
	if (tier != AIBRIX_TIER_DEVICE || from >= n)
		return 0;
	to = to < n ? to : n;
	if (to < n) {
		cover_pierce(index, run, owner, part, n, from, to);
	} else if (from) {
		cover_cut(index, run, owner, part, n, from);
	} else {
		index->stat.held -= n;
		cover_none(index, run, owner, part);
	}
	return to - from;
}

uint32_t
aibrix__cover_take(struct aibrix_index *index, uint32_t owner, uint32_t tier,
		   struct run *run, uint32_t from, uint32_t to)
{
	/* A removal is not refused for the budget. */
	uint64_t budget = index->mem.budget;
	uint32_t taken = 0;

	index->mem.budget = 0;
	if (!run->extras || !index->owners[owner]->extras) {
		taken = range_take(index, owner, tier, run, from, to);
	} else {
		while (to-- > from) {
			if (aibrix__extra_take(index, run, to, owner, tier))
				taken++;
			else
				taken += range_take(index, owner, tier, run, to,
						    to + 1);
		}
	}
	index->mem.budget = budget;
	if (taken)
		aibrix__run_shrunk(run);
	return taken;
}

void
aibrix__cover_drop(struct aibrix_index *index, uint32_t owner, struct run *run)
{
	struct part *part;
	uint32_t n;

	if (aibrix__cover(run, owner, &n, &part) == COVER_NONE)
		return;
	index->stat.held -= part && part->detail ? part->detail->held : n;
	if (run->extras && index->owners[owner]->extras)
		aibrix__extras_drop(index, run, owner);
	cover_none(index, run, owner, part);
	aibrix__run_shrunk(run);
}

void
aibrix__cover_trim(struct aibrix_index *index, struct run *run)
{
	struct parts *parts = run_parts(run);
	uint32_t len = run_len(run);

	for (uint32_t i = 0; parts && i < parts->n; i++) {
		struct part *part = &parts->at[i];

		if (!part->detail &&
		    atomic_load_explicit(&part->held, memory_order_relaxed) ==
			    len)
			cover_whole(index, run, part->owner, part);
	}
}

void
aibrix__parts_free(struct aibrix_index *index, struct run *run)
{
	struct parts *parts = run_parts(run);

	for (uint32_t i = 0; parts && i < parts->n; i++)
		if (parts->at[i].detail)
			detail_free(index, run, parts->at[i].detail);
	parts_publish(index, run, NULL);
}

size_t
aibrix__parts_bytes(const struct run *run)
{
	const struct parts *parts = run_parts(run);
	size_t bytes = parts ? parts_bytes(parts->n) : 0;

	for (uint32_t i = 0; parts && i < parts->n; i++)
		if (parts->at[i].detail)
			bytes += detail_bytes(run->cap);
	return bytes;
}
