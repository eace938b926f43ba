/*
 * The first byte modulo 3: 0 a quantity, the rest of the bytes, beside a
 * double; 1 annotations, a line each "key=value"; 2 an object, a line for
 * each text, then annotations.  What is taken makes a state; what is refused
 * changes nothing.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/scale_object.h>

#include "base/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { LINES = 48, TEXTS = 16, NUMBERS = 8 };

static void
check(int right)
{
	if (!right)
		abort();
}

static void
try_quantity(const uint8_t *data, size_t len)
{
	int64_t milli = -7;
	char *own = malloc(len + 1);
	double about;
	int err;

	check(own != NULL);
	memcpy(own, data, len);
	err = aibrix_quantity_read(own, len, &milli);
	check(err == AIBRIX_OK || milli == -7);
	if (!err && aibrix__decimal_read(own, len, &about) == AIBRIX_OK)
		check(fabs((double)milli - about * 1000) <=
		      1 + fabs(about) * 1e-9);
	free(own);
}

/* Lines of a text that may be written to; absent ones are NULL. */
static void
lines_split(char *text, char *line[LINES])
{
	for (int i = 0; i < LINES; i++) {
		line[i] = *text ? text : NULL;
		text += strcspn(text, "\n");
		if (*text)
			*text++ = 0;
	}
}

/* Pairs of what is left of the lines; their number. */
static uint32_t
pairs_split(char **line, uint32_t n, aibrix_scale_annotation *a)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		char *equals = line[i] ? strchr(line[i], '=') : NULL;

		if (!equals)
			continue;
		*equals = 0;
		a[count++] = (aibrix_scale_annotation){line[i], equals + 1};
	}
	return count;
}

static void
look(int err, const aibrix_scale_opts *o, const aibrix_scale_opts *was,
     const aibrix_scale_fault *fault)
{
	uint64_t bytes;

	check(fault->status == err);
	if (err)
		check(memcmp(o, was, sizeof(*o)) == 0 && fault->reason != 0);
	else
		check(aibrix_scale_state_bytes(o, &bytes) == AIBRIX_OK);
}

static void
try_annotations(char *line[LINES], uint32_t profile)
{
	static const aibrix_scale_metric metric = {.target = 1};
	aibrix_scale_annotation a[LINES];
	aibrix_scale_opts o = {.size = sizeof(o),
			       .profile = profile,
			       .max_replicas = 9,
			       .metrics = &metric,
			       .n_metrics = 1},
			  was = o;
	aibrix_scale_fault fault;
	uint32_t n = pairs_split(line, LINES, a);
	int err = aibrix_scale_annotations_read(a, n, &o, &fault);

	check(!err || fault.which < n);
	look(err, &o, &was, &fault);
}

static aibrix_scale_source
source_of(char **text)
{
	return (aibrix_scale_source){.type = text[0],
				     .protocol = text[1],
				     .endpoint = text[2],
				     .path = text[3],
				     .port = text[4],
				     .metric = text[5],
				     .target = text[6]};
}

static void
try_object(const uint8_t *number, char *line[LINES], uint32_t profile)
{
	aibrix_scale_annotation a[LINES];
	const aibrix_scale_source s = source_of(&line[6]);
	const aibrix_schedule schedule = {.name = line[13],
					  .start = line[14],
					  .end = line[15],
					  .flags = AIBRIX_SCHEDULE_MIN,
					  .min_replicas = number[0] % 8};
	const aibrix_scale_object object = {
		.size = sizeof(object),
		.flags = number[1] % 16,
		.api_version = line[0],
		.kind = line[1],
		.space = line[2],
		.name = line[3],
		.role = line[4],
		.strategy = line[5],
		.min_replicas = number[2] % 16 - 1,
		.max_replicas = number[3] % 64,
		.observe_s = number[4] * 16,
		.panic_s = number[5] * 16,
		.n_sources = 1,
		.n_schedules = number[6] % 2,
		.n_annotations = pairs_split(&line[TEXTS], LINES - TEXTS, a),
		.sources = &s,
		.schedules = &schedule,
		.annotations = a};
	aibrix_scale_opts o = {.size = sizeof(o), .profile = profile}, was = o;
	aibrix_scale_metric metric;
	aibrix_scale_policy policies[AIBRIX_SCALE_OBJECT_POLICIES];
	aibrix_hpa hpa = {.size = sizeof(hpa)};
	aibrix_hpa_metric told;
	aibrix_scale_fault fault = {0, 0, 0, 0};
	char key[16];
	uint64_t n = 0;
	int valid = aibrix_scale_object_check(&object, NULL);
	int err = aibrix_scale_object_read(&object, &o, &metric, policies,
					   &fault);

	check(!valid || err == valid);
	look(err, &o, &was, &fault);
	if (aibrix_scale_object_key(&object, key, sizeof(key), &n) ==
	    AIBRIX_E_SPACE)
		check(n > sizeof(key));
	err = aibrix_scale_object_hpa(&object, profile, &hpa, &told, &fault);
	if (err == AIBRIX_OK)
		check(!valid && hpa.up_percent > 0 && hpa.down_percent > 0 &&
		      hpa.max_replicas >= hpa.min_replicas &&
		      (told.percent > 0 || told.milli > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *line[LINES], *text;

	if (len <= NUMBERS)
		return 0;
	if (data[0] % 3 == 0) {
		try_quantity(data + 1, len - 1);
		return 0;
	}
	text = malloc(len - NUMBERS + 1);
	check(text != NULL);
	memcpy(text, data + NUMBERS, len - NUMBERS);
	text[len - NUMBERS] = 0;
	lines_split(text, line);
	if (data[0] % 3 == 1)
		try_annotations(line, data[1] % 2);
	else
		try_object(data + 1, line, data[0] / 3 % 2);
	free(text);
	return 0;
}
