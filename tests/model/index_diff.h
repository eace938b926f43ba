/*
 * The block index and the simple one, side by side: every event goes to
 * both, every question is asked of both, and the first thing in which they
 * differ is kept in bad.
 */
#ifndef MODEL_INDEX_DIFF_H
#define MODEL_INDEX_DIFF_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/index.h>

#include "dump_view.h"
#include "reference/simple_index.h"

/* Declared here, so that the inside of the index may look as it likes. */
int aibrix__index_check(struct aibrix_index *index);

enum { DIFF_BATCH = 16 };

struct diff {
	aibrix_index *index;
	aibrix_index_reader *reader;
	simple_index *ref;
	simple_index_reader *ref_reader;
	uint32_t max_owners;
	aibrix_match *got, *want; /* DIFF_BATCH x max_owners each */
	double *column, *ref_column;
	int skip_counters, skip_twins;
	uint64_t lookups, rows; /* compared */
	char bad[160];          /* "": nothing differs */
};

#define DIFF_BAD(d, ...)                                                       \
	do {                                                                   \
		if (!(d)->bad[0])                                              \
			snprintf((d)->bad, sizeof((d)->bad), __VA_ARGS__);     \
	} while (0)

static inline void
diff_must(int ok)
{
	if (!ok)
		abort();
}

static inline void
diff_index_new(struct diff *d)
{
	aibrix_index_opts opts = {.size = sizeof(opts),
				  .max_owners = d->max_owners};

	diff_must(!aibrix_index_new(&opts, &d->index));
	diff_must(!aibrix_index_reader_new(d->index, &d->reader));
	diff_must(!simple_index_new(&opts, &d->ref));
	diff_must(!simple_index_reader_new(d->ref, &d->ref_reader));
}

static inline void
diff_index_free(struct diff *d)
{
	aibrix_index_reader_free(d->reader);
	aibrix_index_free(d->index);
	simple_index_reader_free(d->ref_reader);
	simple_index_free(d->ref);
}

static inline void
diff_begin(struct diff *d, uint32_t max_owners)
{
	size_t rows = (size_t)max_owners * DIFF_BATCH;

	memset(d, 0, sizeof(*d));
	d->max_owners = max_owners;
	d->got = calloc(rows, sizeof(*d->got));
	d->want = calloc(rows, sizeof(*d->want));
	d->column = calloc(max_owners, sizeof(*d->column));
	d->ref_column = calloc(max_owners, sizeof(*d->ref_column));
	diff_must(d->got && d->want && d->column && d->ref_column);
	diff_index_new(d);
}

static inline void
diff_end(struct diff *d)
{
	diff_index_free(d);
	free(d->got);
	free(d->want);
	free(d->column);
	free(d->ref_column);
}

static inline void
diff_status(struct diff *d, const char *what, int got, int want)
{
	if (got != want)
		DIFF_BAD(d, "%s: status %d, want %d", what, got, want);
}

static inline void
diff_rows(struct diff *d, const char *what, uint32_t n, uint32_t want)
{
	d->lookups++;
	d->rows += want;
	if (n != want)
		DIFF_BAD(d, "%s: %u owners, want %u", what, n, want);
	for (uint32_t i = 0; !d->bad[0] && i < n; i++)
		if (memcmp(&d->got[i], &d->want[i], sizeof(*d->got)) != 0)
			DIFF_BAD(d,
				 "%s: owner %u held %u device %u, want owner "
				 "%u held %u device %u",
				 what, d->got[i].owner, d->got[i].held,
				 d->got[i].device, d->want[i].owner,
				 d->want[i].held, d->want[i].device);
}

static inline void
diff_columns(struct diff *d, const uint64_t *hashes, uint64_t n,
	     uint32_t device_only)
{
	/* Fewer rows than owners: the others are left out. */
	uint32_t rows = d->max_owners - (d->lookups % 4 == 0);

	memset(d->column, 0xff, d->max_owners * sizeof(*d->column));
	diff_status(d, "match",
		    aibrix_index_match(d->reader, hashes, n, device_only,
				       d->column, rows),
		    simple_index_match(d->ref_reader, hashes, n, device_only,
				       d->ref_column, rows));
	for (uint32_t i = 0; i < rows; i++)
		if (d->column[i] != d->ref_column[i])
			DIFF_BAD(d, "match: owner %u has %f, want %f", i,
				 d->column[i], d->ref_column[i]);
}

static inline void
diff_lookup(struct diff *d, const uint64_t *hashes, uint64_t n)
{
	uint32_t got = 0, want = 0, cap = d->max_owners;
	int err = simple_index_lookup(d->ref_reader, hashes, n, d->want, cap,
				      &want);

	diff_status(
		d, "lookup",
		aibrix_index_lookup(d->reader, hashes, n, d->got, cap, &got),
		err);
	diff_rows(d, "lookup", got, want);
	diff_columns(d, hashes, n, 0);
	diff_columns(d, hashes, n, 1);
	if (!want)
		return;
	diff_status(d, "lookup without room",
		    aibrix_index_lookup(d->reader, hashes, n, d->got, want - 1,
					&got),
		    AIBRIX_E_SPACE);
	if (got != want)
		DIFF_BAD(d, "lookup without room: %u, want %u", got, want);
}

static inline void
diff_batch(struct diff *d, const uint64_t *hashes, const uint64_t *ends,
	   uint32_t n_prompts)
{
	uint32_t out_ends[DIFF_BATCH], want_ends[DIFF_BATCH];
	uint32_t got = 0, want = 0, cap = DIFF_BATCH * d->max_owners;

	diff_status(d, "batch",
		    aibrix_index_lookup_batch(d->reader, hashes, ends,
					      n_prompts, d->got, cap, out_ends,
					      &got),
		    simple_index_lookup_batch(d->ref_reader, hashes, ends,
					      n_prompts, d->want, cap,
					      want_ends, &want));
	diff_rows(d, "batch", got, want);
	if (memcmp(out_ends, want_ends, n_prompts * sizeof(*out_ends)) != 0)
		DIFF_BAD(d, "batch: other ends");
}

static inline void
diff_counter(struct diff *d, const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		DIFF_BAD(d, "stats: %s is %llu, want %llu", what,
			 (unsigned long long)got, (unsigned long long)want);
}

static inline void
diff_stats(struct diff *d)
{
	aibrix_index_stat a = {.size = sizeof(a)}, b = {.size = sizeof(b)};

	diff_status(d, "stats", aibrix_index_stats(d->index, &a),
		    simple_index_stats(d->ref, &b));
	diff_status(d, "check", aibrix__index_check(d->index), AIBRIX_OK);
	if (d->skip_counters)
		return;
	diff_counter(d, "owners", a.owners, b.owners);
	diff_counter(d, "places", a.places, b.places);
	diff_counter(d, "held", a.held, b.held);
	diff_counter(d, "stored", a.stored, b.stored);
	diff_counter(d, "removed", a.removed, b.removed);
	diff_counter(d, "cleared", a.cleared, b.cleared);
	diff_counter(d, "unknown_parents", a.unknown_parents,
		     b.unknown_parents);
	diff_counter(d, "unknown_removals", a.unknown_removals,
		     b.unknown_removals);
	diff_counter(d, "duplicates", a.duplicates, b.duplicates);
	if (!d->skip_twins)
		diff_counter(d, "twins", a.twins, b.twins);
	diff_counter(d, "ignored", a.ignored, b.ignored);
	diff_counter(d, "refused", a.refused, b.refused);
	diff_counter(d, "unknown_names", a.unknown_names, b.unknown_names);
}

static inline void
diff_stored(struct diff *d, uint32_t owner, const aibrix_index_stored *event)
{
	diff_status(d, "stored",
		    aibrix_index_apply_stored(d->index, owner, event),
		    simple_index_apply_stored(d->ref, owner, event));
}

static inline void
diff_removed(struct diff *d, uint32_t owner, const uint64_t *names, uint32_t n,
	     uint32_t tier, uint32_t group)
{
	diff_status(d, "removed",
		    aibrix_index_apply_removed(d->index, owner, names, n, tier,
					       group),
		    simple_index_apply_removed(d->ref, owner, names, n, tier,
					       group));
}

static inline void
diff_cleared(struct diff *d, uint32_t owner)
{
	diff_status(d, "cleared", aibrix_index_apply_cleared(d->index, owner),
		    simple_index_apply_cleared(d->ref, owner));
}

static inline void
diff_owner_add(struct diff *d, uint32_t owner)
{
	diff_status(d, "owner_add", aibrix_index_owner_add(d->index, owner),
		    simple_index_owner_add(d->ref, owner));
}

static inline void
diff_owner_remove(struct diff *d, uint32_t owner)
{
	diff_status(d, "owner_remove",
		    aibrix_index_owner_remove(d->index, owner),
		    simple_index_owner_remove(d->ref, owner));
}

static inline uint8_t *
diff_dump(struct diff *d, uint64_t *n)
{
	uint64_t wrote = 0;
	uint8_t *bytes;

	diff_status(d, "dump without room",
		    aibrix_index_dump(d->index, NULL, 0, n), AIBRIX_E_SPACE);
	bytes = malloc((size_t)*n + 1);
	diff_must(bytes != NULL);
	diff_status(d, "dump", aibrix_index_dump(d->index, bytes, *n, &wrote),
		    AIBRIX_OK);
	if (wrote != *n)
		DIFF_BAD(d, "dump: other bytes than it said");
	return bytes;
}

/*
 * The whole state: both dumps say the same.  With reload both indexes are
 * then made anew from their dumps, and the counters begin at 0.
 */
static inline void
diff_state(struct diff *d, int reload)
{
	struct dump_view got = {0}, want;
	uint64_t n = 0, ref_n = 0;
	uint8_t *bytes = diff_dump(d, &n), *ref_bytes;

	diff_must(simple_index_dump(d->ref, NULL, 0, &ref_n) == AIBRIX_E_SPACE);
	ref_bytes = malloc((size_t)ref_n);
	diff_must(ref_bytes &&
		  !simple_index_dump(d->ref, ref_bytes, ref_n, &ref_n) &&
		  dump_view_read(&want, ref_bytes, ref_n));
	if (d->bad[0] || !dump_view_read(&got, bytes, n))
		DIFF_BAD(d, "dump: of another form");
	else if (!dump_views_equal(&got, &want))
		DIFF_BAD(d, "dump: another state");
	free(got.places);
	free(want.places);
	if (reload && !d->bad[0]) {
		diff_index_free(d);
		diff_index_new(d);
		diff_status(d, "load", aibrix_index_load(d->index, bytes, n),
			    simple_index_load(d->ref, ref_bytes, ref_n));
		diff_stats(d);
	}
	free(bytes);
	free(ref_bytes);
}

#endif
