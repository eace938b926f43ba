/*
 * The first byte says the engine and whether one model is asked for; the
 * rest is pages, separated by zero bytes.
 *
 * Every sample that is found is written out and read again: it is the same.
 * And what the pages say is what the model says.
 */

#include "../tests/model/scrape_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int right)
{
	if (!right)
		abort();
}

static size_t
bytes_put(char *text, size_t at, const char *from, size_t n)
{
	memcpy(text + at, from, n);
	return at + n;
}

/* Printed with all digits it is read as the same. */
static void
try_again(const aibrix_sample *s)
{
	const size_t cap = s->n_name + s->n_labels + 100;
	char *text = malloc(cap);
	aibrix_sample_walk walk = {.size = sizeof(walk), .text = text};
	aibrix_sample again = {.size = sizeof(again)};
	size_t n;

	check(text != NULL);
	n = bytes_put(text, 0, s->name, s->n_name);
	if (s->labels) {
		text[n++] = '{';
		n = bytes_put(text, n, s->labels, s->n_labels);
		text[n++] = '}';
	}
	n += (size_t)snprintf(text + n, cap - n, " %.17g", s->value);
	if (s->flags & AIBRIX_SAMPLE_TIMED)
		n += (size_t)snprintf(text + n, cap - n, " %.17g", s->time);
	text[n++] = '\n';
	walk.n = n;
	check(aibrix_sample_next(&walk, &again) == AIBRIX_OK);
	check(walk.at == walk.n);
	check(again.flags == s->flags && again.n_name == s->n_name &&
	      again.n_labels == s->n_labels &&
	      memcmp(again.name, s->name, s->n_name) == 0);
	check(again.value == s->value || isnan(s->value));
	check(again.time == s->time || isnan(s->time));
	free(text);
}

/* All metrics at once, adapters too. */
static void
try_all(const char *text, size_t n)
{
	const aibrix_scrape_opts o = {
		.size = sizeof(o),
		.series = ((uint64_t)1
			   << (1 + AIBRIX_SERIES_WAITING_LORA_ADAPTERS)) -
			  1};
	aibrix_scrape *scrape;
	uint32_t held = 2;
	int err;

	check(aibrix_scrape_new(&o, &scrape) == AIBRIX_OK);
	err = aibrix_scrape_feed(scrape, text, n, 0, NULL);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	err = aibrix_scrape_adapter(scrape, "a", 0, &held);
	check(err ? err == AIBRIX_E_NOT_FOUND : held <= 1);
	aibrix_scrape_free(scrape);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	aibrix_sample_walk walk = {.size = sizeof(walk)};
	aibrix_sample s = {.size = sizeof(s)};
	char label[8], *own;
	uint64_t n;
	int err;

	if (len == 0)
		return 0;
	own = malloc(len);
	check(own != NULL);
	memcpy(own, data, len);
	walk.text = own + 1;
	walk.n = len - 1;
	while ((err = aibrix_sample_next(&walk, &s)) != AIBRIX_E_NOT_FOUND) {
		check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
		check(walk.at <= walk.n && walk.line <= walk.n);
		if (err)
			continue;
		check(s.name >= walk.text &&
		      s.name + s.n_name <= walk.text + walk.n);
		try_again(&s);
		if (aibrix_sample_label(&s, "le", label, sizeof(label), &n) ==
		    AIBRIX_OK)
			check(n <= sizeof(label));
	}
	try_all(own + 1, len - 1);
	check(scrape_pages_run(own + 1, len - 1, 1 + *data % 4,
			       *data & 4 ? "m" : NULL, NO_FAULT) == NULL);
	free(own);
	return 0;
}
