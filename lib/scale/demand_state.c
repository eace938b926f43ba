/*
 * A demand's state: made, saved, loaded.
 *
 * Saved it is its numbers, 8 bytes each in little-endian order, behind a head
 * and before a checksum.
 */

#include <math.h>
#include <string.h>

#include "base/xxh.h"
#include "scale/demand_internal.h"

enum {
	MAGIC = 0x6d656461, /* "adem" */
	VERSION = 1,
	WORD = 8,
	TIMES = 6,  /* whole numbers of the state */
	MEANS = 8,  /* of them those that may be unknown, from inside on */
	TRENDS = 7, /* level to known */
	FITS = FIT * (FIT + 1) / 2 + FIT + 2,
	SAVED = WORD *
		(1 + TIMES + MEANS + TRENDS + FITS + STARTS + 2 + SEASONS + 1)
};

#define LARGE 1e60

uint64_t
aibrix_demand_state_bytes(void)
{
	return sizeof(aibrix_demand_state);
}

uint64_t
aibrix_demand_state_save_bytes(void)
{
	return SAVED;
}

void
aibrix__demand_clear(aibrix_demand_state *s)
{
	*s = (aibrix_demand_state){.inside = -1,
				   .input = -1,
				   .output = -1,
				   .cached = -1,
				   .kv = -1,
				   .fit_input = -1,
				   .fit_output = -1,
				   .prefill_s = -1};
	aibrix__season_start(&s->season, 0);
}

int
aibrix_demand_state_init(void *memory, uint64_t bytes,
			 aibrix_demand_state **out)
{
	aibrix_demand_state *s = memory;

	if (!memory || !out || (uintptr_t)memory % sizeof(uint64_t) != 0)
		return AIBRIX_E_INVAL;
	if (bytes < sizeof(*s))
		return AIBRIX_E_SPACE;
	aibrix__demand_clear(s);
	*out = s;
	return AIBRIX_OK;
}

/* One walk over the numbers for both ways, so that they cannot differ. */
struct walk {
	struct writer *w; /* NULL: read */
	struct reader *r;
	int ok;
};

static void
walk_whole(struct walk *k, uint64_t *x)
{
	if (k->w)
		write_u64(k->w, *x);
	else
		*x = read_u64(k->r);
}

static void
walk_number(struct walk *k, double *x, double least)
{
	uint64_t bits;

	memcpy(&bits, x, sizeof(bits));
	walk_whole(k, &bits);
	memcpy(x, &bits, sizeof(*x));
	k->ok &= *x >= least && *x <= LARGE; /* a NaN is not */
}

static void
walk_numbers(struct walk *k, double *x, uint32_t n, double least)
{
	for (uint32_t i = 0; i < n; i++)
		walk_number(k, &x[i], least);
}

static void
walk_trend(struct walk *k, struct trend *t)
{
	walk_number(k, &t->level, 0);
	walk_number(k, &t->trend, -LARGE);
	walk_number(k, &t->p00, 0);
	walk_number(k, &t->p01, 0);
	walk_number(k, &t->p11, 0);
	walk_number(k, &t->burst, 0);
	walk_number(k, &t->known, 0);
}

static int
walk_state(struct walk *k, aibrix_demand_state *s)
{
	walk_whole(k, &s->started);
	walk_whole(k, &s->last_ns);
	walk_whole(k, &s->moved_ns);
	walk_whole(k, &s->late_ns);
	walk_whole(k, &s->replicas);
	walk_whole(k, &s->told);
	walk_number(k, &s->inside, -1);
	walk_number(k, &s->input, -1);
	walk_number(k, &s->output, -1);
	walk_number(k, &s->cached, -1);
	walk_number(k, &s->kv, -1);
	walk_number(k, &s->fit_input, -1);
	walk_number(k, &s->fit_output, -1);
	walk_number(k, &s->prefill_s, -1);
	walk_trend(k, &s->trend);
	walk_numbers(k, s->fit.a, FIT * (FIT + 1) / 2, 0);
	walk_numbers(k, s->fit.b, FIT, 0);
	walk_number(k, &s->fit.y, 0);
	walk_number(k, &s->fit.weight, 0);
	walk_numbers(k, s->starts.count, STARTS, 0);
	walk_whole(k, &s->season.ns);
	walk_whole(k, &s->season.phase_ns);
	walk_numbers(k, s->season.mean, SEASONS, -1);
	return k->ok;
}

int
aibrix_demand_state_save(const aibrix_demand_state *state, void *out,
			 uint64_t cap, uint64_t *n)
{
	aibrix_demand_state copy;
	struct writer w;
	struct walk k = {&w, NULL, 1};

	if (!state || !n || (cap && !out))
		return AIBRIX_E_INVAL;
	*n = SAVED;
	if (cap < SAVED)
		return AIBRIX_E_SPACE;
	copy = *state;
	w = writer_on(out, SAVED);
	write_u32(&w, MAGIC);
	write_u32(&w, VERSION);
	walk_state(&k, &copy);
	write_u64(&w, aibrix__xxh64(out, SAVED - WORD, 0));
	return AIBRIX_OK;
}

static int
whole_valid(const aibrix_demand_state *s)
{
	const struct trend *t = &s->trend;

	return s->started <= 1 && s->moved_ns <= s->last_ns &&
	       s->late_ns <= s->last_ns && s->replicas <= INT32_MAX &&
	       s->told <= UINT32_MAX && s->cached <= 1 && s->kv <= 1 &&
	       (t->known == 0 || t->burst >= 1) && t->burst <= 100 &&
	       (s->season.ns ? s->season.phase_ns < s->season.ns
			     : s->season.phase_ns == 0) &&
	       s->season.ns <= (uint64_t)366 * 86400 * 1000000000;
}

/* A part of a season is where the clock is: it is later by shift, and so is
 * the phase earlier. */
static void
season_shift(struct season *s, int64_t shift_ns)
{
	uint64_t by;

	if (s->ns == 0)
		return;
	by = (shift_ns < 0 ? -(uint64_t)shift_ns : (uint64_t)shift_ns) % s->ns;
	if (shift_ns > 0)
		by = (s->ns - by) % s->ns;
	s->phase_ns = (s->phase_ns + by) % s->ns;
}

static int
times_shift(aibrix_demand_state *s, int64_t shift_ns)
{
	season_shift(&s->season, shift_ns);
	return (!s->started || time_shift(&s->last_ns, shift_ns)) &&
	       (!s->moved_ns || time_shift(&s->moved_ns, shift_ns)) &&
	       (!s->late_ns || time_shift(&s->late_ns, shift_ns));
}

int
aibrix_demand_state_load(aibrix_demand_state *state, const void *bytes,
			 uint64_t n, int64_t shift_ns)
{
	struct reader r;
	struct walk k = {NULL, &r, 1};
	uint32_t magic, version;

	if (!state || !bytes)
		return AIBRIX_E_INVAL;
	aibrix__demand_clear(state);
	if (n != SAVED)
		return AIBRIX_E_PARSE;
	r = reader_on((const uint8_t *)bytes + SAVED - WORD, WORD);
	if (read_u64(&r) != aibrix__xxh64(bytes, SAVED - WORD, 0))
		return AIBRIX_E_PARSE;
	r = reader_on(bytes, SAVED - WORD);
	magic = read_u32(&r);
	version = read_u32(&r);
	if (magic != MAGIC || version != VERSION || !walk_state(&k, state) ||
	    !whole_valid(state) || !times_shift(state, shift_ns)) {
		aibrix__demand_clear(state);
		return AIBRIX_E_PARSE;
	}
	return AIBRIX_OK;
}

int
aibrix_demand_ratio(double least, double most, int32_t *prefill,
		    int32_t *decode)
{
	double p, d;

	if (!prefill || !decode || *prefill < 0 || *decode < 0 ||
	    !(least >= 0 && least <= 1e9) || !(most >= 0 && most <= 1e9) ||
	    (most > 0 && most < least))
		return AIBRIX_E_INVAL;
	p = *prefill;
	d = *decode;
	if (p == 0 && d == 0)
		return AIBRIX_OK;
	if (most > 0 && p > most * d)
		d = aibrix__ceil_near(p / most);
	if (p < least * d)
		p = aibrix__ceil_near(least * d);
	*prefill = aibrix__replicas(p);
	*decode = aibrix__replicas(d);
	return AIBRIX_OK;
}

const char *
aibrix_demand_reason_text(uint32_t reason)
{
	static const char *const text[] = {
		[AIBRIX_DEMAND_STEADY] = "between the marks",
		[AIBRIX_DEMAND_MORE] = "more comes than pods can bear",
		[AIBRIX_DEMAND_FEWER] = "fewer pods can bear what comes",
		[AIBRIX_DEMAND_MEMORY] = "requests do not fit the KV caches",
		[AIBRIX_DEMAND_LATE] = "targets are missed",
		[AIBRIX_DEMAND_IDLE] = "nothing comes and nothing is there",
		[AIBRIX_DEMAND_NO_DATA] = "nothing is known",
	};

	return reason < sizeof(text) / sizeof(*text) ? text[reason] : "unknown";
}
