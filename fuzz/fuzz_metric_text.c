/*
 * Input: 8 bytes of a double, then a help text, a name of a label and its
 * value, each ended by a zero byte, then values for a histogram of 3 bytes
 * each.  Property: what is not refused is a valid text, in which the double
 * stands as it was; and in a buffer that is too small it is cut and measured.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/metric.h>

#include "../tests/metric_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { INPUT_MAX = 300, CAP = 16384 };

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

struct input {
	double value;
	const char *help, *label, *text;
	const uint8_t *rest;
	size_t left;
};

/* How many calls were not refused. */
static int
page_write(aibrix_metric_text *t, const struct input *in,
	   const aibrix_histogram *h)
{
	const aibrix_label label = {in->label, in->text};
	int n = 0;

	if (aibrix_metric_family(t, "g", AIBRIX_METRIC_GAUGE, in->help) == 0 &&
	    aibrix_metric_value(t, NULL, 0, in->value) == 0)
		n += 1 + !aibrix_metric_value(t, &label, 1, in->value);
	if (aibrix_metric_family(t, "h", AIBRIX_METRIC_HISTOGRAM, in->help) ==
	    0)
		n += !aibrix_metric_histogram(t, &label, 1, h, 1000);
	return n;
}

static void
page_check(const struct input *in, const aibrix_histogram *h, uint32_t flags)
{
	static struct metric_page page;
	char out[CAP + 1] = "", cut[CAP];
	aibrix_metric_text t = {.size = sizeof(t),
				.flags = flags,
				.out = out,
				.cap = CAP},
			   less = t;
	int n = page_write(&t, in, h);
	double got;

	require(aibrix_metric_end(&t) == AIBRIX_OK, "the text is too long");
	require(strlen(out) == t.n, "the length of the text");
	require(!metric_read(&page, out, flags != 0), "the text");
	got = n ? metric_get(&page, "g") : in->value;
	require(!memcmp(&got, &in->value, sizeof(got)) || isnan(in->value),
		"the double");

	less.out = cut;
	less.cap = t.n / 2;
	(void)page_write(&less, in, h);
	require(aibrix_metric_end(&less) == (t.n ? AIBRIX_E_SPACE : AIBRIX_OK),
		"a small buffer");
	require(less.n == t.n && !memcmp(cut, out, less.cap),
		"what is in a small buffer");
}

static const char *
text_take(struct input *in)
{
	const char *text = (const char *)in->rest;
	const uint8_t *end = memchr(text, 0, in->left);

	if (!end)
		return NULL;
	in->left -= (size_t)(end + 1 - in->rest);
	in->rest = end + 1;
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint64_t edges[] = {10, 1000, 100000};
	aibrix_histogram_opts opts = {.size = sizeof(opts),
				      .max = 1 << 20,
				      .edges = edges,
				      .n_edges = 3};
	struct input in;
	aibrix_histogram *h = NULL;

	if (len < sizeof(in.value) || len > INPUT_MAX)
		return 0;
	memcpy(&in.value, data, sizeof(in.value));
	in.rest = data + sizeof(in.value);
	in.left = len - sizeof(in.value);
	in.help = text_take(&in);
	in.label = in.help ? text_take(&in) : NULL;
	in.text = in.label ? text_take(&in) : NULL;
	require(aibrix_histogram_new(&opts, &h) == AIBRIX_OK, "new");
	for (; in.text && in.left >= 3; in.rest += 3, in.left -= 3)
		aibrix_histogram_record(h, (uint64_t)in.rest[0] << 16 |
						   in.rest[1] << 8 |
						   in.rest[2]);
	page_check(&in, h, 0);
	page_check(&in, h, AIBRIX_METRIC_OPENMETRICS);
	aibrix_histogram_free(h);
	return 0;
}
