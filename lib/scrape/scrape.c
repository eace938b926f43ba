/*
 * The object: the last page, and what counters had grown by before it.
 *
 *   page --> next --taken--> last             gauges, totals
 *                     |
 *                     +----> grown            counters since the first page
 *                              |  every window / slots
 *                              v
 *                            earlier [..]     what windows are counted from
 *
 * A counter of an engine that starts again is lower than before: then all of
 * it is new.  Grown only rises, so every difference of two states is what
 * happened between them, however often the engine started.
 *
 * No Prometheus server is asked for rates, as AIBrix does, whose routers so
 * depend on it being there; and a page that did not come is not an idle
 * engine: it leaves numbers that grow old.
 */

#include "base/versioned.h"
#include "base/xxh.h"
#include "scrape/scrape_internal.h"

enum { SLOTS_DEFAULT = 8, KNOWN_FLAGS = AIBRIX_SCRAPE_OPENMETRICS };

#define SECOND_NS ((uint64_t)1000000000)
#define WINDOW_DEFAULT_NS (60 * SECOND_NS)
#define AGE_DEFAULT_NS (10 * SECOND_NS)
#define BIT(series) ((uint64_t)1 << (series))
#define ALL_SERIES (BIT(SERIES) - 1)

/* Those with a column, and latencies. */
#define SERIES_DEFAULT                                                         \
	(BIT(AIBRIX_SERIES_NUM_REQUESTS_RUNNING) |                             \
	 BIT(AIBRIX_SERIES_NUM_REQUESTS_WAITING) |                             \
	 BIT(AIBRIX_SERIES_NUM_REQUESTS_SWAPPED) |                             \
	 BIT(AIBRIX_SERIES_ENGINE_SLEEP_STATE) |                               \
	 BIT(AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL) |                            \
	 BIT(AIBRIX_SERIES_E2E_REQUEST_LATENCY_SECONDS) |                      \
	 BIT(AIBRIX_SERIES_REQUEST_QUEUE_TIME_SECONDS) |                       \
	 BIT(AIBRIX_SERIES_REQUEST_PREFILL_TIME_SECONDS) |                     \
	 BIT(AIBRIX_SERIES_REQUEST_DECODE_TIME_SECONDS) |                      \
	 BIT(AIBRIX_SERIES_TIME_TO_FIRST_TOKEN_SECONDS) |                      \
	 BIT(AIBRIX_SERIES_INTER_TOKEN_LATENCY_SECONDS) |                      \
	 BIT(AIBRIX_SERIES_PROMPT_TOKENS_TOTAL) |                              \
	 BIT(AIBRIX_SERIES_GENERATION_TOKENS_TOTAL) |                          \
	 BIT(AIBRIX_SERIES_REQUEST_PROMPT_TOKENS) |                            \
	 BIT(AIBRIX_SERIES_REQUEST_GENERATION_TOKENS) |                        \
	 BIT(AIBRIX_SERIES_GPU_CACHE_USAGE_PERC) |                             \
	 BIT(AIBRIX_SERIES_KV_CACHE_USAGE_PERC) |                              \
	 BIT(AIBRIX_SERIES_CPU_CACHE_USAGE_PERC) |                             \
	 BIT(AIBRIX_SERIES_ENGINE_UTILIZATION) |                               \
	 BIT(AIBRIX_SERIES_AVG_PROMPT_THROUGHPUT_TOKS_PER_S) |                 \
	 BIT(AIBRIX_SERIES_AVG_GENERATION_THROUGHPUT_TOKS_PER_S) |             \
	 BIT(AIBRIX_SERIES_MAX_LORA) |                                         \
	 BIT(AIBRIX_SERIES_RUNNING_LORA_ADAPTERS))

static int
opts_load(aibrix_scrape_opts *own, const aibrix_scrape_opts *opts)
{
	int err = aibrix__struct_load(own, sizeof(*own), opts,
				      STRUCT_UPTO(aibrix_scrape_opts, alloc));

	if (err)
		return err;
	if (own->flags & ~(uint32_t)KNOWN_FLAGS)
		return AIBRIX_E_ABI;
	if (own->engine == 0)
		own->engine = AIBRIX_ENGINE_VLLM;
	if (own->slots == 0)
		own->slots = SLOTS_DEFAULT;
	if (own->series == 0)
		own->series = SERIES_DEFAULT;
	if (own->window_ns == 0)
		own->window_ns = WINDOW_DEFAULT_NS;
	if (own->min_ns == 0)
		own->min_ns = own->window_ns / 6;
	if (own->max_age_ns == 0)
		own->max_age_ns = AGE_DEFAULT_NS;
	if (own->engine > ENGINES || own->slots > AIBRIX_SCRAPE_SLOTS_MAX ||
	    own->series & ~ALL_SERIES || own->min_ns > own->window_ns)
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

/* A counter's without _total. */
static uint32_t
base_length(const char *source, uint32_t type)
{
	const size_t n = strlen(source), suffix = strlen("_total");

	if (type == AIBRIX_SERIES_COUNTER && n > suffix &&
	    strcmp(source + n - suffix, "_total") == 0)
		return (uint32_t)(n - suffix);
	return (uint32_t)n;
}

static void
name_add(aibrix_scrape *scrape, uint32_t series, uint32_t i)
{
	const struct series *s = &aibrix__series[series];
	const char *text = s->source[scrape->engine - 1][i];
	struct span base = {text, base_length(text, s->type)};
	struct name *name = NULL;
	uint32_t at = (uint32_t)aibrix__xxh3_64(base.at, base.n, 0);

	while (scrape->buckets[at % BUCKETS]) {
		name = &scrape->names[scrape->buckets[at % BUCKETS] - 1];
		if (name->n == base.n &&
		    memcmp(name->text, base.at, base.n) == 0)
			break;
		name = NULL;
		at++;
	}
	if (!name) {
		name = &scrape->names[scrape->n_names++];
		scrape->buckets[at % BUCKETS] = (uint8_t)scrape->n_names;
		name->text = text;
		name->n = (uint32_t)base.n;
		name->type = s->type;
	}
	name->series[name->n_of] = (uint8_t)series;
	name->rank[name->n_of++] = (uint8_t)(i + 1);
}

static int
is_wanted(const aibrix_scrape *scrape, uint32_t series)
{
	return (int)(scrape->series >> series & 1) &&
	       aibrix__series[series].source[scrape->engine - 1][0] != NULL;
}

/* What the engine has of what is wanted gets names and cells. */
static void
series_place(aibrix_scrape *scrape)
{
	for (uint32_t s = 0; s < SERIES; s++) {
		if (!is_wanted(scrape, s))
			continue;
		for (uint32_t i = 0; i < SOURCES_MAX; i++)
			if (aibrix__series[s].source[scrape->engine - 1][i])
				name_add(scrape, s, i);
		scrape->cell[s] = scrape->n_cells;
		scrape->n_cells += series_cells(s);
		if (aibrix__series[s].type == AIBRIX_SERIES_HISTOGRAM)
			scrape->hist[s] = (uint8_t)scrape->n_hists++;
	}
}

/* next, last and grown, then the earlier ones. */
static uint32_t
states_count(const aibrix_scrape *scrape)
{
	return 3 + scrape->slots;
}

static int
states_alloc(aibrix_scrape *scrape)
{
	const aibrix_allocator *a = &scrape->alloc;
	double *cells =
		aibrix__alloc(a, (size_t)states_count(scrape) * scrape->n_cells,
			      sizeof(*cells));

	scrape->cells = cells;
	scrape->edges = aibrix__alloc(a, (size_t)2 * scrape->n_hists,
				      sizeof(*scrape->edges));
	scrape->earlier =
		aibrix__alloc(a, scrape->slots, sizeof(*scrape->earlier));
	if (!cells || !scrape->edges || !scrape->earlier)
		return AIBRIX_E_NOMEM;
	scrape->next = &scrape->pages[0];
	scrape->last = &scrape->pages[1];
	scrape->next->cells = cells;
	scrape->last->cells = cells + scrape->n_cells;
	scrape->next->edges = scrape->edges;
	scrape->last->edges = scrape->edges + scrape->n_hists;
	scrape->grown = cells + (size_t)2 * scrape->n_cells;
	for (uint32_t i = 0; i < scrape->slots; i++)
		scrape->earlier[i].cells =
			cells + (size_t)(3 + i) * scrape->n_cells;
	return AIBRIX_OK;
}

static int
model_copy(aibrix_scrape *scrape, const char *model)
{
	if (!model)
		return AIBRIX_OK;
	scrape->model_bytes = strlen(model) + 1;
	scrape->model = aibrix__alloc(&scrape->alloc, scrape->model_bytes, 1);
	if (!scrape->model)
		return AIBRIX_E_NOMEM;
	memcpy(scrape->model, model, scrape->model_bytes);
	return AIBRIX_OK;
}

int
aibrix_scrape_new(const aibrix_scrape_opts *opts, aibrix_scrape **out)
{
	aibrix_scrape *scrape;
	aibrix_allocator alloc;
	aibrix_scrape_opts o;
	int err = out ? opts_load(&o, opts) : AIBRIX_E_INVAL;

	if (!err)
		err = aibrix__allocator_load(&alloc, o.alloc);
	if (err)
		return err;
	scrape = aibrix__alloc(&alloc, 1, sizeof(*scrape));
	if (!scrape)
		return AIBRIX_E_NOMEM;
	scrape->alloc = alloc;
	scrape->engine = o.engine;
	scrape->flags = o.flags;
	scrape->slots = o.slots;
	scrape->series = o.series;
	scrape->window_ns = o.window_ns;
	scrape->min_ns = o.min_ns;
	scrape->max_age_ns = o.max_age_ns;
	series_place(scrape);
	err = states_alloc(scrape);
	if (!err)
		err = model_copy(scrape, o.model);
	if (err) {
		aibrix_scrape_free(scrape);
		return err;
	}
	*out = scrape;
	return AIBRIX_OK;
}

void
aibrix_scrape_free(aibrix_scrape *scrape)
{
	const aibrix_allocator *a;

	if (!scrape)
		return;
	a = &scrape->alloc;
	aibrix__free(a, scrape->model, scrape->model_bytes, 1);
	aibrix__free(a, scrape->earlier, scrape->slots,
		     sizeof(*scrape->earlier));
	aibrix__free(a, scrape->edges, (size_t)2 * scrape->n_hists,
		     sizeof(*scrape->edges));
	aibrix__free(a, scrape->cells,
		     (size_t)states_count(scrape) * scrape->n_cells,
		     sizeof(*scrape->cells));
	aibrix__free(&scrape->alloc, scrape, 1, sizeof(*scrape));
}

/* Another set of edges than before: what was counted by the old ones cannot
 * be compared with it. */
static int
edges_differ(const aibrix_scrape *scrape, uint32_t series)
{
	const struct edges *now = &scrape->next->edges[scrape->hist[series]];
	const struct edges *was = &scrape->last->edges[scrape->hist[series]];

	return now->n != was->n ||
	       memcmp(now->at, was->at, now->n * sizeof(now->at[0])) != 0;
}

/* No differences from before this page. */
static void
grown_forget(aibrix_scrape *scrape, uint32_t series)
{
	const size_t bytes = series_cells(series) * sizeof(double);
	const uint32_t cell = scrape->cell[series];

	memset(&scrape->grown[cell], 0, bytes);
	for (uint32_t i = 0; i < scrape->n_earlier; i++)
		memset(&scrape->earlier[i].cells[cell], 0, bytes);
}

/* A histogram's sum may fall: values may be negative. */
static int
has_restarted(const double *now, const double *was, uint32_t cells)
{
	for (uint32_t i = 0; i < cells; i++)
		if (now[i] < was[i] && !(cells > 1 && i == HIST_SUM))
			return 1;
	return 0;
}

/* A counter of a page that was taken.  One that comes later than the first
 * page has begun since. */
static void
series_grow(aibrix_scrape *scrape, uint32_t series)
{
	const uint32_t cells = series_cells(series);
	const double *now = &scrape->next->cells[scrape->cell[series]];
	const double *was = &scrape->last->cells[scrape->cell[series]];
	double *grown = &scrape->grown[scrape->cell[series]];
	int anew;

	if (scrape->taken == 0)
		return;
	if (scrape->ever[series] && cells > 1 && edges_differ(scrape, series)) {
		grown_forget(scrape, series);
		return;
	}
	anew = !scrape->ever[series] || has_restarted(now, was, cells);
	for (uint32_t i = 0; i < cells; i++)
		grown[i] += anew ? now[i] : now[i] - was[i];
}

/* What this page has not keeps its last count, to go on from there. */
static void
series_keep(aibrix_scrape *scrape, uint32_t series)
{
	const uint32_t cell = scrape->cell[series];
	struct page *next = scrape->next, *last = scrape->last;

	memcpy(&next->cells[cell], &last->cells[cell],
	       series_cells(series) * sizeof(double));
	if (aibrix__series[series].type == AIBRIX_SERIES_HISTOGRAM)
		next->edges[scrape->hist[series]] =
			last->edges[scrape->hist[series]];
}

/* The state as of now becomes an earlier one, seldom. */
static void
earlier_add(aibrix_scrape *scrape)
{
	const struct earlier *newest = &scrape->earlier[scrape->newest];
	struct earlier *to;

	if (scrape->n_earlier &&
	    scrape->fed_ns - newest->at_ns < scrape->window_ns / scrape->slots)
		return;
	if (scrape->n_earlier)
		scrape->newest = (scrape->newest + 1) % scrape->slots;
	if (scrape->n_earlier < scrape->slots)
		scrape->n_earlier++;
	to = &scrape->earlier[scrape->newest];
	to->at_ns = scrape->fed_ns;
	memcpy(to->cells, scrape->grown,
	       scrape->n_cells * sizeof(*scrape->grown));
}

static void
page_take(aibrix_scrape *scrape, uint64_t now_ns)
{
	struct page *was;

	for (uint32_t s = 0; s < SERIES; s++) {
		if (!is_wanted(scrape, s))
			continue;
		if (scrape->next->rank[s] == 0) {
			series_keep(scrape, s);
			continue;
		}
		if (aibrix__series[s].type != AIBRIX_SERIES_GAUGE)
			series_grow(scrape, s);
		scrape->ever[s] = 1;
	}
	was = scrape->last;
	scrape->last = scrape->next;
	scrape->next = was;
	if (now_ns > scrape->fed_ns)
		scrape->fed_ns = now_ns;
	scrape->taken++;
	earlier_add(scrape);
}

int
aibrix_scrape_feed(aibrix_scrape *scrape, const char *text, uint64_t n,
		   uint64_t now_ns, aibrix_scrape_page *page)
{
	aibrix_scrape_page p = {.size = sizeof(p)};
	int err, stored = AIBRIX_OK;

	if (!scrape || (n && !text))
		return AIBRIX_E_INVAL;
	if (page && page->size < STRUCT_UPTO(aibrix_scrape_page, bad_line))
		return AIBRIX_E_ABI;
	err = aibrix__page_read(scrape, text, n, &p);
	if (!err)
		page_take(scrape, now_ns);
	if (page)
		stored = aibrix__struct_store(
			page, &p, sizeof(p),
			STRUCT_UPTO(aibrix_scrape_page, bad_line));
	return err ? err : stored;
}
