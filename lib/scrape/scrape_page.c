/*
 * A page into one state.
 *
 * A page of an engine is a thousand lines or more, of which a quarter is
 * asked for.  Lines of one name follow each other: the name is looked up
 * once for all of them, and when nobody wants it they are passed at the
 * speed of memchr.  What is wanted is read in one pass over its bytes.
 *
 *	line ---> name: as the last one?  --wanted--> labels, value
 *	           |                                     |
 *	           '---- not wanted: next line           v
 *	                                        cells of the state
 */

#include <math.h>

#include "base/xxh.h"
#include "scrape/scrape_internal.h"

enum part { PART_VALUE, PART_BUCKET, PART_SUM, PART_COUNT };

enum { FAMILIES = 4 };

/* What the lines of one name are. */
struct family {
	struct span text; /* its name, as it stands there */
	const struct name *name;
	enum part part;
	uint32_t edge; /* that the next bucket has, if they come in order */
};

const struct name *
aibrix__name_find(const aibrix_scrape *scrape, struct span text)
{
	uint32_t at = (uint32_t)aibrix__xxh3_64(text.at, text.n, 0);

	for (;; at++) {
		uint32_t number = scrape->buckets[at % BUCKETS];
		const struct name *name;

		if (number == 0)
			return NULL;
		name = &scrape->names[number - 1];
		if (name->n == text.n &&
		    memcmp(name->text, text.at, text.n) == 0)
			return name;
	}
}

static int
suffix_cut(struct span *text, const char *suffix)
{
	uint64_t n = strlen(suffix);

	if (text->n <= n || memcmp(text->at + text->n - n, suffix, n) != 0)
		return 0;
	text->n -= n;
	return 1;
}

/* A gauge's or counter's name stands as it is; a counter's, and the parts of
 * a histogram, with a suffix. */
static void
family_find(const aibrix_scrape *scrape, struct family *family)
{
	static const struct {
		const char *text;
		uint8_t part, type;
	} suffixes[] = {
		{"_total", PART_VALUE, AIBRIX_SERIES_COUNTER},
		{"_bucket", PART_BUCKET, AIBRIX_SERIES_HISTOGRAM},
		{"_sum", PART_SUM, AIBRIX_SERIES_HISTOGRAM},
		{"_count", PART_COUNT, AIBRIX_SERIES_HISTOGRAM},
	};

	family->edge = 0;
	family->part = PART_VALUE;
	family->name = aibrix__name_find(scrape, family->text);
	if (family->name && family->name->type != AIBRIX_SERIES_HISTOGRAM)
		return;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		struct span base = family->text;

		if (!suffix_cut(&base, suffixes[i].text))
			continue;
		family->name = aibrix__name_find(scrape, base);
		family->part = suffixes[i].part;
		if (family->name && family->name->type == suffixes[i].type)
			return;
	}
	family->name = NULL;
}

static const struct label *
label_named(const struct labels *labels, const char *name)
{
	for (uint32_t i = 0; i < labels->n; i++)
		if (span_is(labels->of[i].name, name))
			return &labels->of[i];
	return NULL;
}

/* The cell of an edge, a new one if there is room; NULL: there is none. */
static double *
edge_cell(struct edges *edges, double *hist, double le, uint32_t *hint)
{
	double *cells = hist + HIST_EDGES;
	uint32_t i = *hint;

	if (i >= edges->n || edges->at[i] != le)
		for (i = 0; i < edges->n && edges->at[i] < le; i++)
			;
	if (i == edges->n || edges->at[i] != le) {
		if (edges->n == EDGES_MAX)
			return NULL;
		memmove(&edges->at[i + 1], &edges->at[i],
			(edges->n - i) * sizeof(edges->at[0]));
		memmove(&cells[i + 1], &cells[i],
			(edges->n - i) * sizeof(cells[0]));
		edges->n++;
		edges->at[i] = le;
		cells[i] = 0;
	}
	*hint = i + 1;
	return &cells[i];
}

/* A histogram's line. */
static void
hist_add(aibrix_scrape *scrape, uint32_t series, struct family *family,
	 double value, double le)
{
	struct page *page = scrape->next;
	struct edges *edges = &page->edges[scrape->hist[series]];
	double *hist = &page->cells[scrape->cell[series]], *cell;

	if (family->part == PART_SUM)
		cell = &hist[HIST_SUM];
	else if (family->part == PART_COUNT)
		cell = &hist[HIST_COUNT];
	else if (le < HUGE_VAL)
		cell = edge_cell(edges, hist, le, &family->edge);
	else
		cell = &hist[HIST_ALL];
	if (cell)
		*cell += value;
}

/* A gauge's or counter's line; first: of its metric. */
static void
value_join(aibrix_scrape *scrape, uint32_t series, double value, int first,
	   const struct labels *labels)
{
	double *cell = &scrape->next->cells[scrape->cell[series]];
	const struct label *state;
	int awake;

	switch (aibrix__series[series].join) {
	case JOIN_SUM: *cell += value; break;
	case JOIN_MAX: *cell = first || value > *cell ? value : *cell; break;
	case JOIN_AWAKE:
		/* One series for each state, the present one's is 1; without
		 * the label the value is whether the engine sleeps. */
		state = label_named(labels, "sleep_state");
		awake = state && aibrix__value_is(state->value, "awake");
		*cell = *cell != 0 || (value != 0) != awake;
		break;
	}
}

static void
cells_clear(aibrix_scrape *scrape, uint32_t series)
{
	struct page *page = scrape->next;
	double *cell = &page->cells[scrape->cell[series]];

	if (aibrix__series[series].type != AIBRIX_SERIES_HISTOGRAM) {
		*cell = 0;
		return;
	}
	memset(cell, 0, HIST_CELLS * sizeof(*cell));
	page->edges[scrape->hist[series]].n = 0;
}

/* A line of all metrics that its name stands for. */
static void
family_add(aibrix_scrape *scrape, struct family *family, double value,
	   double le, const struct labels *labels)
{
	const struct name *name = family->name;
	const uint32_t edge = family->edge;

	for (uint32_t i = 0; i < name->n_of; i++) {
		uint32_t series = name->series[i];
		uint8_t *has = &scrape->next->rank[series];
		int first = *has == 0 || name->rank[i] < *has;

		/* A better name was there. */
		if (!first && name->rank[i] > *has)
			continue;
		if (first)
			cells_clear(scrape, series);
		*has = name->rank[i];
		family->edge = edge;
		if (name->type == AIBRIX_SERIES_HISTOGRAM)
			hist_add(scrape, series, family, value, le);
		else
			value_join(scrape, series, value, first, labels);
	}
}

static uint32_t
names_count(struct span list)
{
	uint32_t n = list.n > 0;

	for (uint64_t i = 0; i < list.n; i++)
		n += list.at[i] == ',';
	return n;
}

static void
running_keep(struct lora *lora, struct span list)
{
	lora->n = LORA_TEXT_MAX + 1;
	if (list.n > LORA_TEXT_MAX)
		return;
	lora->n = (uint32_t)list.n;
	memcpy(lora->text, list.at, list.n);
}

/* The adapters are labels of a series whose value is when it was made: the
 * youngest one is what is so now. */
static int
lora_add(aibrix_scrape *scrape, const struct name *name, double when,
	 const struct labels *labels)
{
	struct page *page = scrape->next;

	if (page->lora.any && when < page->lora.when)
		return AIBRIX_OK;
	page->lora.any = 1;
	page->lora.when = when;
	for (uint32_t i = 0; i < name->n_of; i++) {
		uint32_t series = name->series[i];
		const struct label *label =
			label_named(labels, aibrix__series[series].name);
		double *cell = &page->cells[scrape->cell[series]];

		page->rank[series] = 0;
		if (!label)
			return AIBRIX_E_PARSE;
		*cell = names_count(label->value);
		if (series == AIBRIX_SERIES_RUNNING_LORA_ADAPTERS)
			running_keep(&page->lora, label->value);
		if (series == AIBRIX_SERIES_MAX_LORA &&
		    aibrix__number_read(label->value, cell))
			return AIBRIX_E_PARSE;
		page->rank[series] = name->rank[i];
	}
	return AIBRIX_OK;
}

/* Whether the series is one of the model asked for. */
static int
model_fits(const aibrix_scrape *scrape, const struct labels *labels)
{
	const struct label *label;

	if (!scrape->model)
		return 1;
	label = label_named(labels, "model_name");
	return !label || aibrix__value_is(label->value, scrape->model);
}

/* The line from behind its name: of a family that is wanted. */
static int
line_add(aibrix_scrape *scrape, struct family *family, struct labels *labels,
	 const char *at, const char *end)
{
	const struct name *name = family->name;
	const struct label *label;
	struct tail tail;
	double le = 0;

	if (aibrix__tail_read(at, end, &tail, labels) || labels->n > LABELS_MAX)
		return AIBRIX_E_PARSE;
	if (!model_fits(scrape, labels))
		return AIBRIX_OK;
	if (aibrix__series[name->series[0]].join == JOIN_LORA)
		return lora_add(scrape, name, tail.value, labels);
	if (family->part == PART_BUCKET) {
		label = label_named(labels, "le");
		if (!label || aibrix__number_read(label->value, &le) ||
		    isnan(le) || le == -HUGE_VAL)
			return AIBRIX_E_PARSE;
	}
	/* A gauge may be not known; what is counted may not. */
	if (isnan(tail.value) && name->type == AIBRIX_SERIES_GAUGE)
		return AIBRIX_OK;
	if (!isfinite(tail.value) ||
	    (tail.value < 0 && name->type != AIBRIX_SERIES_GAUGE &&
	     family->part != PART_SUM))
		return AIBRIX_E_PARSE;
	family_add(scrape, family, tail.value, le, labels);
	return AIBRIX_OK;
}

static int
family_is(const struct family *family, const char *at, const char *end)
{
	const struct span text = family->text;

	return text.n && (uint64_t)(end - at) > text.n &&
	       memcmp(at, text.at, text.n) == 0 &&
	       (at[text.n] == '{' || at[text.n] == ' ');
}

/* The families met last: a histogram's three names come again for each of
 * its series. */
struct families {
	struct family of[FAMILIES];
	uint32_t now;
};

/* Behind the name of the line at at, whose family is f->now then; NULL: there
 * is no name. */
static const char *
family_at(const aibrix_scrape *scrape, struct families *f, const char *at,
	  const char *end)
{
	struct family *family;

	for (uint32_t i = 0; i < FAMILIES; i++) {
		uint32_t k = (f->now + FAMILIES - i) % FAMILIES;

		if (family_is(&f->of[k], at, end)) {
			f->now = k;
			return at + f->of[k].text.n;
		}
	}
	f->now = (f->now + 1) % FAMILIES;
	family = &f->of[f->now];
	family->text = (struct span){at, aibrix__name_length(at, end)};
	if (family->text.n == 0)
		return NULL;
	family_find(scrape, family);
	at += family->text.n;
	return at < end && (*at == '{' || is_blank(*at)) ? at : NULL;
}

static void
bad_line(aibrix_scrape_page *page, uint64_t line)
{
	if (page->bad++ == 0)
		page->bad_line = line;
}

/* What a histogram's page leaves out follows from the rest: its count, and
 * that counts rise from edge to edge. */
static void
hist_complete(double *hist, uint32_t n_edges)
{
	double most = hist[HIST_ALL];

	for (uint32_t i = 0; i < n_edges; i++) {
		double *cell = &hist[HIST_EDGES + i];

		if (i && *cell < cell[-1])
			*cell = cell[-1];
		most = fmax(most, *cell);
	}
	hist[HIST_COUNT] = fmax(hist[HIST_COUNT], most);
}

/* Sums that have become too large for a number are not known. */
static uint32_t
page_complete(aibrix_scrape *scrape)
{
	struct page *page = scrape->next;
	uint32_t n = 0;

	for (uint32_t s = 0; s < SERIES; s++) {
		double *cell = &page->cells[scrape->cell[s]];

		if (page->rank[s] == 0)
			continue;
		if (aibrix__series[s].type == AIBRIX_SERIES_HISTOGRAM)
			hist_complete(cell, page->edges[scrape->hist[s]].n);
		for (uint32_t i = 0; i < series_cells(s); i++)
			if (!isfinite(cell[i]))
				page->rank[s] = 0;
		n += page->rank[s] != 0;
	}
	return n;
}

/* From at to the page's end; whether OpenMetrics' end mark was there. */
static int
lines_read(aibrix_scrape *scrape, const char *at, const char *stop,
	   aibrix_scrape_page *page)
{
	struct families families = {.now = 0};
	struct labels labels = {.n = 0};
	uint64_t line = 0;
	int ended = 0;

	while (at < stop) {
		const char *feed = memchr(at, '\n', (size_t)(stop - at));
		const char *end = feed ? feed : stop;
		const char *from = blanks_pass(at, end);
		struct family *family;

		line++;
		at = feed ? feed + 1 : stop;
		if (from == end)
			continue;
		if (*from == '#') {
			ended |= end - from >= 5 &&
				 memcmp(from, "# EOF", 5) == 0;
			continue;
		}
		from = family_at(scrape, &families, from, end);
		family = &families.of[families.now];
		/* A line that is not ended was cut off, and its number. */
		if (from && !family->name)
			page->skipped++;
		else if (!from || !feed ||
			 line_add(scrape, family, &labels, from, end))
			bad_line(page, line);
		else
			page->samples++;
	}
	return ended;
}

int
aibrix__page_read(aibrix_scrape *scrape, const char *text, uint64_t n,
		  aibrix_scrape_page *page)
{
	int ended;

	memset(scrape->next->rank, 0, sizeof(scrape->next->rank));
	scrape->next->lora.any = 0;
	ended = lines_read(scrape, text, text + n, page);
	page->series = page_complete(scrape);
	if (page->series == 0 ||
	    (scrape->flags & AIBRIX_SCRAPE_OPENMETRICS && !ended))
		return AIBRIX_E_PARSE;
	return AIBRIX_OK;
}
