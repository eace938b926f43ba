/* What the pages say: readings, and columns of a fleet. */

#include <math.h>

#include "base/versioned.h"
#include "scrape/scrape_internal.h"

static uint64_t
page_age(const aibrix_scrape *scrape, uint64_t now_ns)
{
	return now_ns > scrape->fed_ns ? now_ns - scrape->fed_ns : 0;
}

static int
is_known(const aibrix_scrape *scrape, uint32_t series, uint64_t now_ns)
{
	return scrape->last->rank[series] &&
	       page_age(scrape, now_ns) <= scrape->max_age_ns;
}

/* A reading of one of these types (a bit each), without its value. */
static int
reading_start(const aibrix_scrape *scrape, uint32_t series, uint32_t types,
	      uint64_t now_ns, aibrix_reading *r)
{
	if (!scrape || series >= SERIES ||
	    !(types >> aibrix__series[series].type & 1))
		return AIBRIX_E_INVAL;
	if (!is_known(scrape, series, now_ns))
		return AIBRIX_E_NOT_FOUND;
	*r = (aibrix_reading){
		.size = sizeof(*r),
		.span = AIBRIX_SPAN_LIFETIME,
		.age_ns = page_age(scrape, now_ns),
		.source = aibrix__series[series]
				  .source[scrape->engine - 1]
					 [scrape->last->rank[series] - 1]};
	return AIBRIX_OK;
}

static int
reading_give(aibrix_reading *reading, const aibrix_reading *r)
{
	return reading ? aibrix__struct_store(
				 reading, r, sizeof(*r),
				 STRUCT_UPTO(aibrix_reading, source))
		       : AIBRIX_E_INVAL;
}

/* The youngest earlier state that is a window old, or else the oldest. */
static const struct earlier *
window_start(const aibrix_scrape *scrape)
{
	const struct earlier *at = NULL;

	for (uint32_t i = 0; i < scrape->n_earlier; i++) {
		at = &scrape->earlier[(scrape->newest + scrape->slots - i) %
				      scrape->slots];
		if (scrape->fed_ns - at->at_ns >= scrape->window_ns)
			break;
	}
	return at;
}

int
aibrix_scrape_value(const aibrix_scrape *scrape, uint32_t series,
		    uint64_t now_ns, aibrix_reading *reading)
{
	aibrix_reading r;
	int err = reading_start(scrape, series,
				1u << AIBRIX_SERIES_GAUGE |
					1u << AIBRIX_SERIES_COUNTER,
				now_ns, &r);

	if (err)
		return err;
	r.value = scrape->last->cells[scrape->cell[series]];
	return reading_give(reading, &r);
}

int
aibrix_scrape_rate(const aibrix_scrape *scrape, uint32_t series,
		   uint64_t now_ns, aibrix_reading *reading)
{
	const struct earlier *from;
	uint32_t cell;
	aibrix_reading r;
	int err = reading_start(scrape, series,
				1u << AIBRIX_SERIES_COUNTER |
					1u << AIBRIX_SERIES_HISTOGRAM,
				now_ns, &r);

	if (err)
		return err;
	_Static_assert(HIST_COUNT == 0, "the first cell is what is counted");
	cell = scrape->cell[series];
	from = window_start(scrape);
	r.span = AIBRIX_SPAN_WINDOW;
	r.over_ns = scrape->fed_ns - from->at_ns;
	if (r.over_ns == 0 || r.over_ns < scrape->min_ns)
		return AIBRIX_E_NOT_FOUND;
	r.value = (scrape->grown[cell] - from->cells[cell]) * 1e9 /
		  (double)r.over_ns;
	return reading_give(reading, &r);
}

/* A histogram's cells in its span: what it had then is taken off.  was NULL:
 * since the engine's start. */
struct hist {
	const double *now, *was;
	const struct edges *edges;
};

static double
hist_cell(const struct hist *hist, uint32_t i)
{
	return hist->now[i] - (hist->was ? hist->was[i] : 0);
}

static int
hist_start(const aibrix_scrape *scrape, uint32_t series, uint32_t span,
	   uint64_t now_ns, struct hist *hist, aibrix_reading *r)
{
	const struct earlier *from;
	uint32_t cell;
	int err = reading_start(scrape, series, 1u << AIBRIX_SERIES_HISTOGRAM,
				now_ns, r);

	if (span > AIBRIX_SPAN_LIFETIME)
		return AIBRIX_E_INVAL;
	if (err)
		return err;
	cell = scrape->cell[series];
	from = window_start(scrape);
	hist->edges = &scrape->last->edges[scrape->hist[series]];
	hist->now = &scrape->grown[cell];
	hist->was = &from->cells[cell];
	if (span == AIBRIX_SPAN_WINDOW && hist_cell(hist, HIST_COUNT) > 0) {
		r->span = AIBRIX_SPAN_WINDOW;
		r->over_ns = scrape->fed_ns - from->at_ns;
		return AIBRIX_OK;
	}
	hist->now = &scrape->last->cells[cell];
	hist->was = NULL;
	return hist_cell(hist, HIST_COUNT) > 0 ? AIBRIX_OK : AIBRIX_E_NOT_FOUND;
}

int
aibrix_scrape_mean(const aibrix_scrape *scrape, uint32_t series, uint32_t span,
		   uint64_t now_ns, aibrix_reading *reading)
{
	struct hist hist;
	aibrix_reading r;
	int err = hist_start(scrape, series, span, now_ns, &hist, &r);

	if (err)
		return err;
	r.value = hist_cell(&hist, HIST_SUM) / hist_cell(&hist, HIST_COUNT);
	return reading_give(reading, &r);
}

/* n_edges > 0. */
static double
hist_quantile(const struct hist *hist, double share)
{
	const struct edges *edges = hist->edges;
	double rank = share * hist_cell(hist, HIST_COUNT), below = 0, low = 0;

	for (uint32_t i = 0; i < edges->n; i++) {
		double upto = hist_cell(hist, HIST_EDGES + i);

		if (upto >= rank && upto > below) {
			/* Nothing says where a first bucket below 0 begins. */
			if (i == 0 && edges->at[0] <= 0)
				return edges->at[0];
			return low + (edges->at[i] - low) * (rank - below) /
					     (upto - below);
		}
		below = fmax(below, upto);
		low = edges->at[i];
	}
	return edges->at[edges->n - 1];
}

int
aibrix_scrape_quantile(const aibrix_scrape *scrape, uint32_t series,
		       double share, uint32_t span, uint64_t now_ns,
		       aibrix_reading *reading)
{
	struct hist hist;
	aibrix_reading r;
	int err;

	if (!(share > 0 && share <= 1))
		return AIBRIX_E_INVAL;
	err = hist_start(scrape, series, span, now_ns, &hist, &r);
	if (err)
		return err;
	if (hist.edges->n == 0)
		return AIBRIX_E_NOT_FOUND;
	r.value = hist_quantile(&hist, share);
	return reading_give(reading, &r);
}

int
aibrix_scrape_adapter(const aibrix_scrape *scrape, const char *adapter,
		      uint64_t now_ns, uint32_t *held)
{
	const struct lora *lora;
	const char *at, *end;

	if (!scrape || !adapter || !held)
		return AIBRIX_E_INVAL;
	lora = &scrape->last->lora;
	if (!is_known(scrape, AIBRIX_SERIES_RUNNING_LORA_ADAPTERS, now_ns) ||
	    lora->n > LORA_TEXT_MAX)
		return AIBRIX_E_NOT_FOUND;
	*held = 0;
	for (at = lora->text; at < lora->text + lora->n && !*held;
	     at = end + 1) {
		uint64_t left = (uint64_t)(lora->text + lora->n - at);

		end = memchr(at, ',', left);
		if (!end)
			end = at + left;
		while (at < end && *at == ' ')
			at++;
		*held = (uint32_t)aibrix__value_is(
			(struct span){at, (uint64_t)(end - at)}, adapter);
	}
	return AIBRIX_OK;
}

enum how { VALUE, RATE, MEAN, PER_REQUEST };

/* Where columns come from; the first that is known. */
static const struct source {
	uint8_t column, series, how;
} sources[] = {
	{AIBRIX_COL_ENGINE_RUNNING, AIBRIX_SERIES_NUM_REQUESTS_RUNNING, VALUE},
	{AIBRIX_COL_ENGINE_WAITING, AIBRIX_SERIES_NUM_REQUESTS_WAITING, VALUE},
	{AIBRIX_COL_ENGINE_SWAPPED, AIBRIX_SERIES_NUM_REQUESTS_SWAPPED, VALUE},
	{AIBRIX_COL_KV_USAGE_RATIO, AIBRIX_SERIES_KV_CACHE_USAGE_PERC, VALUE},
	{AIBRIX_COL_GPU_USAGE_RATIO, AIBRIX_SERIES_GPU_CACHE_USAGE_PERC, VALUE},
	{AIBRIX_COL_CPU_USAGE_RATIO, AIBRIX_SERIES_CPU_CACHE_USAGE_PERC, VALUE},
	{AIBRIX_COL_UTILIZATION_RATIO, AIBRIX_SERIES_ENGINE_UTILIZATION, VALUE},
	{AIBRIX_COL_QUEUE_S, AIBRIX_SERIES_REQUEST_QUEUE_TIME_SECONDS, MEAN},
	{AIBRIX_COL_PREFILL_S, AIBRIX_SERIES_REQUEST_PREFILL_TIME_SECONDS,
	 MEAN},
	{AIBRIX_COL_DECODE_S, AIBRIX_SERIES_REQUEST_DECODE_TIME_SECONDS, MEAN},
	{AIBRIX_COL_PROMPT_TOKENS, AIBRIX_SERIES_REQUEST_PROMPT_TOKENS, MEAN},
	{AIBRIX_COL_PROMPT_TOKENS, AIBRIX_SERIES_PROMPT_TOKENS_TOTAL,
	 PER_REQUEST},
	{AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_SERIES_REQUEST_GENERATION_TOKENS,
	 MEAN},
	{AIBRIX_COL_OUTPUT_TOKENS, AIBRIX_SERIES_GENERATION_TOKENS_TOTAL,
	 PER_REQUEST},
	{AIBRIX_COL_TOKENS_PER_S,
	 AIBRIX_SERIES_AVG_GENERATION_THROUGHPUT_TOKS_PER_S, VALUE},
	{AIBRIX_COL_TOKENS_PER_S, AIBRIX_SERIES_GENERATION_TOKENS_TOTAL, RATE},
	{AIBRIX_COL_REQUESTS_PER_S, AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL, RATE},
	{AIBRIX_COL_PREFILL_TOKENS_PER_S,
	 AIBRIX_SERIES_AVG_PROMPT_THROUGHPUT_TOKS_PER_S, VALUE},
	{AIBRIX_COL_PREFILL_TOKENS_PER_S, AIBRIX_SERIES_PROMPT_TOKENS_TOTAL,
	 RATE},
	{AIBRIX_COL_ADAPTERS, AIBRIX_SERIES_RUNNING_LORA_ADAPTERS, VALUE},
	{AIBRIX_COL_ADAPTERS_MAX, AIBRIX_SERIES_MAX_LORA, VALUE},
};
enum { COLUMN_SOURCES = sizeof(sources) / sizeof(sources[0]) };

/* A total by the number of requests that are finished. */
static int
per_request(const aibrix_scrape *scrape, uint32_t series, uint64_t now_ns,
	    aibrix_reading *r)
{
	aibrix_reading done = {.size = sizeof(done)};
	int err = aibrix_scrape_value(scrape, series, now_ns, r);

	if (!err)
		err = aibrix_scrape_value(scrape,
					  AIBRIX_SERIES_REQUEST_SUCCESS_TOTAL,
					  now_ns, &done);
	if (err || !(done.value > 0))
		return AIBRIX_E_NOT_FOUND;
	r->value /= done.value;
	return AIBRIX_OK;
}

/* NaN: not known. */
static double
source_read(const aibrix_scrape *scrape, const struct source *source,
	    uint64_t now_ns)
{
	aibrix_reading r = {.size = sizeof(r)};
	int err = AIBRIX_E_NOT_FOUND;

	switch ((enum how)source->how) {
	case VALUE:
		err = aibrix_scrape_value(scrape, source->series, now_ns, &r);
		break;
	case RATE:
		err = aibrix_scrape_rate(scrape, source->series, now_ns, &r);
		break;
	case MEAN:
		err = aibrix_scrape_mean(scrape, source->series,
					 AIBRIX_SPAN_WINDOW, now_ns, &r);
		break;
	case PER_REQUEST:
		err = per_request(scrape, source->series, now_ns, &r);
		break;
	}
	return err ? NAN : r.value;
}

int
aibrix_scrape_publish(const aibrix_scrape *scrape, aibrix_fleet *fleet,
		      uint32_t row, uint64_t now_ns)
{
	int err = scrape && fleet ? AIBRIX_OK : AIBRIX_E_INVAL;
	uint32_t i = 0;

	while (i < COLUMN_SOURCES && !err) {
		const uint32_t column = sources[i].column;
		double value = NAN;

		for (; i < COLUMN_SOURCES && sources[i].column == column; i++)
			if (isnan(value))
				value = source_read(scrape, &sources[i],
						    now_ns);
		err = aibrix_fleet_set(fleet, row, column, value,
				       scrape->fed_ns);
	}
	return err;
}
