/*
 * Generated workloads.
 *
 * A prompt is a list of segments (a system prompt, a document, a message, an
 * answer); the id of a 512-token piece is a hash of the segment parts that
 * it covers, so prompts that begin the same have the same ids and no other
 * book-keeping is needed.
 *
 *   conversation  sessions of some turns; each turn repeats all before it
 *   agent         few long tool prompts, then a quick loop of calls, each
 *                 repeating the transcript so far
 *   rag           one instruction, the two best documents, a question
 *
 * The numbers are fitted to published statistics; doc/modules/sim.md says
 * which and how close the result comes.
 */
#include "sim_workload.h"

#include <stdlib.h>
#include <string.h>

#include "sim_rand.h"

enum {
	SEGMENTS_MAX = 80,
	CONTEXT_TOKENS_MAX = 126195, /* longest prompt of the trace */
	TOOLS = 40,
	DOCUMENTS = 2000
};

typedef struct segment {
	uint64_t id;
	uint64_t tokens;
} segment;

typedef struct generator {
	sim_workload *workload;
	sim_rand rand;
	uint64_t next_segment;
	uint64_t session;
	double start_s;
	segment segments[SEGMENTS_MAX];
	uint32_t n_segments;
	uint64_t tokens;
	double zipf[DOCUMENTS]; /* cumulated */
	uint64_t ids[SIM_IDS_MAX];
} generator;

static uint64_t
segment_new(generator *gen)
{
	return ++gen->next_segment;
}

static void
prompt_start(generator *gen)
{
	gen->n_segments = 0;
	gen->tokens = 0;
	gen->session++;
}

static void
prompt_add(generator *gen, uint64_t segment_id, uint64_t tokens)
{
	gen->segments[gen->n_segments++] = (segment){segment_id, tokens};
	gen->tokens += tokens;
}

/* Ids of the prompt's pieces; their number. */
static uint32_t
prompt_ids(generator *gen)
{
	uint32_t n = 0;
	uint32_t s = 0;
	uint64_t offset = 0; /* in segment s */
	uint64_t left = gen->tokens;

	while (left > 0) {
		uint64_t room = left < SIM_ID_TOKENS ? left : SIM_ID_TOKENS;
		uint64_t id = 0;

		left -= room;
		while (room > 0) {
			uint64_t part = gen->segments[s].tokens - offset;

			if (part > room)
				part = room;
			id = sim_mix(id ^ gen->segments[s].id);
			id = sim_mix(id ^ offset);
			id = sim_mix(id ^ part);
			room -= part;
			offset += part;
			if (offset == gen->segments[s].tokens) {
				s++;
				offset = 0;
			}
		}
		gen->ids[n++] = id >> 11; /* exact in a JSON number */
	}
	return n;
}

/* What would have come before time 0 only leaves its traces in what comes
 * after it. */
static int
prompt_send(generator *gen, double at_s, uint64_t output_tokens)
{
	sim_request request = {
		.input_tokens = (uint32_t)gen->tokens,
		.output_tokens = (uint32_t)output_tokens,
		.session = gen->session,
	};

	if (at_s < 0)
		return 0;
	request.arrival_ns = (uint64_t)(at_s * 1e3) * 1000000;
	request.n_ids = prompt_ids(gen);
	return sim_workload_add(gen->workload, &request, gen->ids);
}

/* A length in tokens: log-normal, at least 1 and at most max. */
static uint64_t
length_draw(generator *gen, double median, double sigma, double max)
{
	double tokens = sim_rand_lognormal(&gen->rand, median, sigma);

	return tokens < 1 ? 1 : tokens > max ? (uint64_t)max : (uint64_t)tokens;
}

static size_t
zipf_draw(generator *gen, size_t n)
{
	double target = sim_rand_unit(&gen->rand) * gen->zipf[n - 1];
	size_t low = 0;
	size_t high = n - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (gen->zipf[middle] < target)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How a chain of requests goes on. */
typedef struct session_shape {
	double again_ratio; /* chance of another turn */
	double gap_mean_s;  /* to the next turn */
	double new_median;  /* tokens of a message or tool result */
	double new_sigma;
	double output_median;
	double output_sigma;
} session_shape;

/* The turns of a session whose first prompt has been put together. */
static int
session_play(generator *gen, const session_shape *shape)
{
	double at_s = gen->start_s;

	for (;;) {
		uint64_t output = length_draw(gen, shape->output_median,
					      shape->output_sigma, 2000);
		uint64_t message;

		if (prompt_send(gen, at_s, output) != 0)
			return -1;
		if (sim_rand_unit(&gen->rand) >= shape->again_ratio)
			return 0;
		message = length_draw(gen, shape->new_median, shape->new_sigma,
				      CONTEXT_TOKENS_MAX);
		if (gen->tokens + output + message > CONTEXT_TOKENS_MAX ||
		    gen->n_segments + 2 > SEGMENTS_MAX)
			return 0;
		prompt_add(gen, segment_new(gen), output);
		prompt_add(gen, segment_new(gen), message);
		at_s += sim_rand_exponential(&gen->rand, shape->gap_mean_s);
	}
}

static int
conversation_make(generator *gen, uint64_t base)
{
	/* Gap: 80 % of reuse within 10 minutes; exp(-600 / 373) = 0.2. */
	static const session_shape shape = {0.39, 373, 800, 1.3, 295, 0.55};

	/* 12 031 requests in 3 537 s, 1.63 turns per session. */
	gen->start_s += sim_rand_exponential(&gen->rand, 0.48);
	prompt_start(gen);
	prompt_add(gen, base, SIM_ID_TOKENS);
	prompt_add(gen, segment_new(gen),
		   length_draw(gen, 5000, 1.15,
			       CONTEXT_TOKENS_MAX - SIM_ID_TOKENS));
	return session_play(gen, &shape);
}

static int
agent_make(generator *gen, uint64_t base)
{
	/* Gap: 80 % of reuse within 10 s; exp(-10 / 6.2) = 0.2. */
	static const session_shape shape = {0.5, 6.2, 700, 1.0, 140, 0.72};
	uint64_t tool = zipf_draw(gen, TOOLS);
	sim_rand tool_rand = {sim_mix(tool)};

	/* 23 608 requests in an hour, two calls per task. */
	gen->start_s += sim_rand_exponential(&gen->rand, 0.3);
	prompt_start(gen);
	/* The same tool always has the same prompt, of the same length. */
	prompt_add(gen, base + tool,
		   1 + (uint64_t)sim_rand_lognormal(&tool_rand, 2400, 0.6));
	prompt_add(gen, segment_new(gen),
		   length_draw(gen, 2300, 1.2, CONTEXT_TOKENS_MAX / 2));
	return session_play(gen, &shape);
}

static void
document_add(generator *gen, uint64_t base)
{
	uint64_t document = zipf_draw(gen, DOCUMENTS);
	sim_rand document_rand = {sim_mix(document)};

	prompt_add(gen, base + 1 + document,
		   1 + (uint64_t)sim_rand_lognormal(&document_rand, 2700, 0.8));
}

static int
rag_make(generator *gen, uint64_t base)
{
	gen->start_s += sim_rand_exponential(&gen->rand, 0.25);
	prompt_start(gen);
	prompt_add(gen, base, 256);
	document_add(gen, base);
	document_add(gen, base);
	prompt_add(gen, segment_new(gen), length_draw(gen, 40, 0.6, 2000));
	return prompt_send(gen, gen->start_s, length_draw(gen, 120, 0.8, 2000));
}

static const struct kind {
	const char *name;
	int (*make)(generator *gen, uint64_t base);
	double warm_s;     /* sessions start that long before time 0 */
	double interval_s; /* about, between requests */
} kinds[] = {
	{"conversation", conversation_make, 1500, 0.30},
	{"agent", agent_make, 60, 0.15},
	{"rag", rag_make, 0, 0.25},
};

static int
request_order(const void *a, const void *b)
{
	const sim_request *x = a;
	const sim_request *y = b;

	if (x->arrival_ns != y->arrival_ns)
		return x->arrival_ns < y->arrival_ns ? -1 : 1;
	return (x->first_id > y->first_id) - (x->first_id < y->first_id);
}

/* Requests before until_s: no session that starts later adds to them. */
static size_t
requests_before(const sim_workload *workload, double until_s)
{
	size_t n = 0;

	for (size_t i = 0; i < workload->n; i++)
		n += (double)workload->requests[i].arrival_ns < until_s * 1e9;
	return n;
}

/* The first n requests in order of arrival. */
static void
requests_settle(sim_workload *workload, size_t n)
{
	qsort(workload->requests, workload->n, sizeof(*workload->requests),
	      request_order);
	workload->n = n;
	workload->input_tokens = workload->output_tokens = 0;
	for (size_t i = 0; i < n; i++) {
		workload->input_tokens += workload->requests[i].input_tokens;
		workload->output_tokens += workload->requests[i].output_tokens;
	}
}

static void
generator_start(generator *gen, sim_workload *workload, const struct kind *kind,
		uint64_t seed)
{
	double sum = 0;

	gen->workload = workload;
	gen->rand.state = sim_mix(seed);
	gen->start_s = -kind->warm_s;
	gen->next_segment = 2 * DOCUMENTS; /* below: those all share */
	/* Exponent 1.03: 3 % of 2 000 documents get 60 % of requests. */
	for (size_t i = 0; i < DOCUMENTS; i++)
		gen->zipf[i] = sum += pow((double)(i + 1), -1.03);
}

int
sim_workload_generate(sim_workload *workload, const char *kind, size_t n,
		      uint64_t seed)
{
	const struct kind *found = NULL;
	generator *gen;
	double until_s = 0;
	int failed = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, kind) == 0)
			found = &kinds[i];
	}
	if (!found)
		return -2;
	gen = calloc(1, sizeof(*gen));
	if (!gen)
		return -1;
	generator_start(gen, workload, found, seed);
	while (!failed && requests_before(workload, until_s) < n) {
		until_s += 1 + (double)n * found->interval_s / 2;
		while (!failed && gen->start_s < until_s)
			failed = found->make(gen, 1);
	}
	free(gen);
	if (!failed)
		requests_settle(workload, n);
	return failed;
}
