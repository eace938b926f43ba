/*
 * Life tables of blocks, as in insurance: of those that reached an age
 * without being used again, how many were used at that age?
 *
 *   uses of blocks --> 1 of 16, drawn --> watched, in order of use
 *                                            | used again, at age a: reused
 *                                            | pushed out, at age a:  lost
 *                                            v
 *            chance[a] of all classes, weight of each class --> density
 *
 * Uses are drawn, not blocks: a system prompt that every request begins with
 * would otherwise be either half of what is seen or nothing of it.  What is
 * watched is apart from the cache and goes on after the eviction, over two to
 * four times the capacity and at least 65 536 uses, so what is learnt does not
 * depend on what was kept.  Those not seen again yet count as survivors of
 * their present age (Kaplan and Meier 1958).
 *
 * A trace holds few independent events: all blocks of a request come back
 * together.  Tables of 64 classes of their own would be noise.  So all share
 * one curve over the age, times a weight that is a product of one number for
 * each of the three parts of a class (a Poisson regression, fitted by
 * scaling each part in turn), times what the class itself shows beyond that.
 * Each weight starts as if it had been seen to be 1 over some reuses.
 *
 * Density: keeping a block for some more time costs a slot for that time and
 * brings a hit with some chance; the best ratio over all such times is what
 * the block is worth (Gittins' index; hit density in LHD, Beckmann et al.,
 * NSDI 2018).
 */

#include "evict/evict_learn.h"

#include <assert.h>
#include <string.h>

#include "base/rand.h"

enum {
	DRAW_BITS = 4,     /* 1 of 16 uses is watched */
	HORIZON_BITS = 16, /* uses that are watched, at least */
	AGE_BITS = 10,     /* of them: the finest age is horizon >> 10 */
	PAUSE_FIRST = 64,  /* draws before anything is concluded */
	MEMORY = 4,        /* ends remembered, in numbers of the watched */
	SWEEPS = 2         /* of the fit; more change nothing */
};

static const double prior = 32; /* reuses that a weight of 1 is worth */
static const double chance_max = 0.98;

/* Parts of a class. */
enum { PARTS = 3, PART_VALUES = 8 };
static const struct {
	uint32_t shift, mask;
} parts[PARTS] = {{0, 1}, {1, 3}, {3, 7}};

static uint32_t
class_part(uint32_t class, uint32_t part)
{
	return class >> parts[part].shift & parts[part].mask;
}

static double
age_start(const struct evict_learn *learn, uint32_t index)
{
	uint64_t octave;

	if (index == 0)
		return 0;
	octave = UINT64_C(1) << (learn->age_shift + (index - 1) / 2);
	return (double)(index % 2 ? octave : octave + octave / 2);
}

static double
age_width(const struct evict_learn *learn, uint32_t index)
{
	if (index == LEARN_AGES - 1)
		return age_start(learn, index);
	return age_start(learn, index + 1) - age_start(learn, index);
}

/* Until there is evidence, the density falls with the age: LRU. */
static void
densities_start(struct evict_learn *learn)
{
	double unit = age_start(learn, 1);

	for (uint32_t c = 0; c < LEARN_CLASSES; c++) {
		for (uint32_t a = 0; a < LEARN_AGES; a++)
			learn->tables->density[c][a] =
				1 / (age_start(learn, a) + unit);
	}
}

int
aibrix__learn_open(struct evict_learn *learn, const aibrix_allocator *a,
		   uint32_t capacity)
{
	uint32_t horizon_bits = highest_bit((uint64_t)capacity * 4);

	if (horizon_bits < HORIZON_BITS)
		horizon_bits = HORIZON_BITS;
	learn->age_shift = horizon_bits - AGE_BITS;
	learn->cap = UINT32_C(1) << (horizon_bits - DRAW_BITS);
	learn->newest = learn->oldest = learn->unused = NONE;
	learn->until = learn->pause = PAUSE_FIRST;
	learn->tables = aibrix__alloc(a, 1, sizeof(*learn->tables));
	learn->entries = aibrix__alloc(a, learn->cap, sizeof(*learn->entries));
	learn->heads = aibrix__alloc(a, learn->cap, sizeof(*learn->heads));
	if (!learn->tables || !learn->entries || !learn->heads)
		return AIBRIX_E_NOMEM;
	densities_start(learn);
	return AIBRIX_OK;
}

void
aibrix__learn_close(struct evict_learn *learn, const aibrix_allocator *a)
{
	aibrix__free(a, learn->heads, learn->cap, sizeof(*learn->heads));
	aibrix__free(a, learn->entries, learn->cap, sizeof(*learn->entries));
	aibrix__free(a, learn->tables, 1, sizeof(*learn->tables));
}

/* What is watched */

static void
entry_unlink(struct evict_learn *learn, const struct learn_entry *e)
{
	if (e->newer == NONE)
		learn->newest = e->older;
	else
		learn->entries[e->newer].older = e->older;
	if (e->older == NONE)
		learn->oldest = e->newer;
	else
		learn->entries[e->older].newer = e->newer;
}

static uint32_t *
entry_head(const struct evict_learn *learn, uint64_t hash)
{
	return &learn->heads[hash & (learn->cap - 1)];
}

static uint32_t
entry_find(const struct evict_learn *learn, uint64_t hash)
{
	uint32_t i = *entry_head(learn, hash);

	while (i != 0 && learn->entries[i - 1].hash != hash)
		i = learn->entries[i - 1].next;
	return i - 1;
}

/* The entry's time is over: counted in one of the tables. */
static void
entry_end(struct evict_learn *learn, uint32_t i, learn_table table,
	  uint64_t now)
{
	struct learn_entry *e = &learn->entries[i];
	uint32_t *link = entry_head(learn, e->hash);

	table[e->class][learn_age(learn, now - e->used_at)]++;
	learn->ended++;
	while (*link != i + 1)
		link = &learn->entries[*link - 1].next;
	*link = e->next;
	entry_unlink(learn, e);
	e->newer = learn->unused;
	learn->unused = i;
}

static uint32_t
entry_new(struct evict_learn *learn, uint64_t now)
{
	uint32_t i;

	if (learn->unused == NONE && learn->used < learn->cap)
		return learn->used++;
	if (learn->unused == NONE)
		entry_end(learn, learn->oldest, learn->tables->lost, now);
	i = learn->unused;
	learn->unused = learn->entries[i].newer;
	return i;
}

static void
entry_begin(struct evict_learn *learn, uint64_t hash, uint32_t class,
	    uint64_t now)
{
	uint32_t i = entry_new(learn, now);
	struct learn_entry *e = &learn->entries[i];
	uint32_t *head = entry_head(learn, hash);

	*e = (struct learn_entry){.hash = hash,
				  .used_at = now,
				  .newer = NONE,
				  .older = learn->newest,
				  .next = *head,
				  .class = class};
	*head = i + 1;
	if (e->older == NONE)
		learn->oldest = i;
	else
		learn->entries[e->older].newer = i;
	learn->newest = i;
}

/* Conclusions */

struct fit {
	double chance[LEARN_AGES];      /* of all classes together */
	double reuses[LEARN_CLASSES];   /* seen */
	double expected[LEARN_CLASSES]; /* with the chances of all */
	double weight[PARTS][PART_VALUES];
};

static void
tables_halve(struct evict_learn *learn)
{
	learn->ended /= 2;
	for (uint32_t c = 0; c < LEARN_CLASSES; c++) {
		for (uint32_t a = 0; a < LEARN_AGES; a++) {
			learn->tables->reused[c][a] /= 2;
			learn->tables->lost[c][a] /= 2;
		}
	}
}

static void
tables_run(struct evict_learn *learn, uint64_t now)
{
	struct learn_tables *t = learn->tables;

	memcpy(t->running, t->lost, sizeof(t->running));
	for (uint32_t i = learn->newest; i != NONE;) {
		const struct learn_entry *e = &learn->entries[i];

		t->running[e->class][learn_age(learn, now - e->used_at)]++;
		i = e->older;
	}
}

/* How many of a class were there to be used at each age; those who left at
 * that age count half. */
static void
class_exposed(const struct learn_tables *t, uint32_t class, double *exposed)
{
	double reached = 0;

	for (uint32_t a = LEARN_AGES; a-- > 0;) {
		reached += t->reused[class][a];
		reached += t->running[class][a];
		exposed[a] = reached - t->running[class][a] / 2.0;
	}
}

static void
fit_chances(struct fit *fit, const struct learn_tables *t)
{
	double reuses[LEARN_AGES] = {0};
	double exposed[LEARN_AGES] = {0};
	double of_class[LEARN_AGES];

	for (uint32_t c = 0; c < LEARN_CLASSES; c++) {
		class_exposed(t, c, of_class);
		for (uint32_t a = 0; a < LEARN_AGES; a++) {
			reuses[a] += t->reused[c][a];
			exposed[a] += of_class[a];
		}
	}
	for (uint32_t a = 0; a < LEARN_AGES; a++)
		fit->chance[a] = exposed[a] > 0 ? reuses[a] / exposed[a] : 0;
	for (uint32_t c = 0; c < LEARN_CLASSES; c++) {
		class_exposed(t, c, of_class);
		fit->reuses[c] = fit->expected[c] = 0;
		for (uint32_t a = 0; a < LEARN_AGES; a++) {
			fit->reuses[c] += t->reused[c][a];
			fit->expected[c] += of_class[a] * fit->chance[a];
		}
	}
}

/* The product of a class's weights, but for one part; PARTS: of all. */
static double
fit_weight(const struct fit *fit, uint32_t class, uint32_t but)
{
	double weight = 1;

	for (uint32_t p = 0; p < PARTS; p++) {
		if (p != but)
			weight *= fit->weight[p][class_part(class, p)];
	}
	return weight;
}

static void
fit_part(struct fit *fit, uint32_t part)
{
	double reuses[PART_VALUES] = {0};
	double expected[PART_VALUES] = {0};

	for (uint32_t c = 0; c < LEARN_CLASSES; c++) {
		uint32_t v = class_part(c, part);

		reuses[v] += fit->reuses[c];
		expected[v] += fit->expected[c] * fit_weight(fit, c, part);
	}
	for (uint32_t v = 0; v < PART_VALUES; v++)
		fit->weight[part][v] =
			(reuses[v] + prior) / (expected[v] + prior);
}

static void
fit_weights(struct fit *fit)
{
	for (uint32_t p = 0; p < PARTS; p++) {
		for (uint32_t v = 0; v < PART_VALUES; v++)
			fit->weight[p][v] = 1;
	}
	for (uint32_t sweep = 0; sweep < SWEEPS; sweep++) {
		for (uint32_t p = 0; p < PARTS; p++)
			fit_part(fit, p);
	}
}

/* From one age to another: per block that reached the first, its chance of
 * a hit, its expected time, its chance to be left. */
struct stretch {
	double hits, time, left;
};

/*
 * The best ratio of hits to time from each age on.  Backwards, later
 * stretches lie on a stack in falling order of their ratio: a stretch takes
 * up what follows it as long as that is denser than itself.
 */
static void
class_densities(const double *chance, const double *width, double weight,
		double *density)
{
	struct stretch later[LEARN_AGES];
	uint32_t n = 0;

	for (uint32_t a = LEARN_AGES; a-- > 0;) {
		double p = chance[a] * weight;
		struct stretch s;

		if (p > chance_max)
			p = chance_max;
		s = (struct stretch){p, width[a] * (1 - p / 2), 1 - p};
		while (n && later[n - 1].hits * s.time >
				    s.hits * later[n - 1].time) {
			n--;
			s.hits += s.left * later[n].hits;
			s.time += s.left * later[n].time;
			s.left *= later[n].left;
		}
		density[a] = s.hits / s.time;
		later[n++] = s;
	}
}

static void
densities_renew(struct evict_learn *learn, uint64_t now)
{
	double width[LEARN_AGES];
	struct fit fit;
	double weight;

	if (learn->ended > (uint64_t)learn->cap * MEMORY)
		tables_halve(learn);
	tables_run(learn, now);
	fit_chances(&fit, learn->tables);
	fit_weights(&fit);
	for (uint32_t a = 0; a < LEARN_AGES; a++)
		width[a] = age_width(learn, a);
	for (uint32_t c = 0; c < LEARN_CLASSES; c++) {
		weight = fit_weight(&fit, c, PARTS);
		weight *= (fit.reuses[c] + prior) /
			  (fit.expected[c] * weight + prior);
		class_densities(fit.chance, width, weight,
				learn->tables->density[c]);
	}
}

/* A renewal walks all that is watched and the tables, once for an eighth
 * of it that was drawn: a few nanoseconds a use. */
static void
draws_count(struct evict_learn *learn, uint64_t now)
{
	if (--learn->until)
		return;
	learn->pause *= 2;
	if (learn->pause > learn->cap / 8)
		learn->pause = learn->cap / 8;
	learn->until = learn->pause;
	densities_renew(learn, now);
}

void
aibrix__learn_reuse(struct evict_learn *learn, uint64_t hash, uint64_t now)
{
	uint32_t i = entry_find(learn, hash);

	if (i != NONE)
		entry_end(learn, i, learn->tables->reused, now);
}

int
aibrix__learn_use(struct evict_learn *learn, uint64_t hash, uint32_t class,
		  uint64_t now)
{
	assert(class < LEARN_CLASSES);
	if (mix64(now) >> (64 - DRAW_BITS))
		return 0;
	entry_begin(learn, hash, class, now);
	draws_count(learn, now);
	return 1;
}
