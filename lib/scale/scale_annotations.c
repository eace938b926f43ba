/*
 * AIBrix's annotations.
 *
 * There the first that cannot be read ends the reading, in the order of a
 * hash map: which of the others were applied is random, and the loop goes on
 * with what came of it.  Here all are read into a copy, which is handed over
 * as a whole.
 *
 * Times are Go's: "1h30m", "1.5h", "90s", "500ms", "0".
 * (Source: AIBrix e3e10f9 pkg/controller/podautoscaler/context.)
 */

#include <string.h>

#include "base/decimal.h"
#include "base/versioned.h"
#include "scale/scale_internal.h"
#include "scale/scale_object_internal.h"

enum { OPTS_V1 = STRUCT_UPTO(aibrix_scale_opts, cpu_delay_ns) };

#define SECOND ((uint64_t)1000000000)
#define HOUR (3600 * SECOND)

enum { RATE, TOLERANCE, THRESHOLD, WINDOW, ZERO, MODE };

struct key {
	const char *name;
	uint32_t form;
	uint32_t flag; /* set with it */
	size_t at;     /* in the options */
};

#define FIELD(name) offsetof(aibrix_scale_opts, name)

static const struct key keys[] = {
	{"max-scale-up-rate", RATE, 0, FIELD(max_up_rate)},
	{"max-scale-down-rate", RATE, 0, FIELD(max_down_rate)},
	{"scale-up-tolerance", TOLERANCE, AIBRIX_SCALE_UP_TOLERANCE_SET,
	 FIELD(up_tolerance)},
	{"scale-down-tolerance", TOLERANCE, AIBRIX_SCALE_DOWN_TOLERANCE_SET,
	 FIELD(down_tolerance)},
	{"panic-threshold", THRESHOLD, 0, FIELD(panic_threshold)},
	{"scale-up-cooldown-window", WINDOW, 0, FIELD(up_window_ns)},
	{"scale-down-cooldown-window", WINDOW, AIBRIX_SCALE_DOWN_WINDOW_SET,
	 FIELD(down_window_ns)},
	{"scale-to-zero", ZERO, 0, 0},
	{"storm-service-mode", MODE, 0, 0},
};

enum { KEYS = sizeof(keys) / sizeof(*keys) };

int
aibrix__fault(aibrix_scale_fault *fault, int status, uint32_t reason,
	      uint32_t which)
{
	if (fault)
		*fault = (aibrix_scale_fault){status, reason, which, 0};
	return status;
}

/* Behind the prefix; NULL: another's. */
static const char *
name_of(const char *key)
{
	static const char prefix[] = "autoscaling.aibrix.ai/";
	size_t n = sizeof(prefix) - 1;

	if (strncmp(key, prefix, n) == 0)
		return key + n;
	/* Older ones, of which no name is known any more. */
	if (strncmp(key, "kpa.", 4) == 0 || strncmp(key, "apa.", 4) == 0)
		return strncmp(key + 4, prefix, n) == 0 ? "" : NULL;
	return NULL;
}

static const struct key *
key_find(const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* The unit at *at, in nanoseconds; 0: none. */
static uint64_t
unit_read(const char **at)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"ns", 1},           {"us", 1000},    {"\302\265s", 1000},
		     {"\316\274s", 1000}, {"ms", 1000000}, {"s", SECOND},
		     {"m", 60 * SECOND},  {"h", HOUR}};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*at, units[i].name, n) == 0) {
			*at += n;
			return units[i].ns;
		}
	}
	return 0;
}

/* "12.5" at *at: whole, and in billionths the rest.  0: no digits. */
static int
number_read(const char **at, uint64_t *whole, uint64_t *part)
{
	uint64_t scale = SECOND / 10;
	int digits = 0;

	*whole = *part = 0;
	for (; **at >= '0' && **at <= '9'; ++*at, digits = 1)
		if (*whole <= 100 * HOUR)
			*whole = *whole * 10 + (uint64_t)(**at - '0');
	if (**at == '.')
		for (++*at; **at >= '0' && **at <= '9'; ++*at, digits = 1) {
			*part += scale * (uint64_t)(**at - '0');
			scale /= 10;
		}
	return digits;
}

/* A duration.  Above an hour it is an hour and some. */
static int
window_read(const char *text, uint64_t *ns)
{
	int negative = text[0] == '-';
	uint64_t sum = 0;

	text += negative || text[0] == '+';
	if (strcmp(text, "0") == 0) {
		*ns = 0;
		return AIBRIX_OK;
	}
	do {
		uint64_t whole, part, unit;

		if (!number_read(&text, &whole, &part))
			return AIBRIX_E_PARSE;
		unit = unit_read(&text);
		if (unit == 0)
			return AIBRIX_E_PARSE;
		if (whole > HOUR / unit)
			whole = HOUR / unit + 1;
		/* part * unit is below 3.6e21: in two steps. */
		sum += whole * unit + (unit >= SECOND ? part * (unit / SECOND)
						      : part * unit / SECOND);
		if (sum > HOUR)
			sum = HOUR + 1;
	} while (*text);
	*ns = sum;
	return sum > HOUR || (negative && sum) ? AIBRIX_E_INVAL : AIBRIX_OK;
}

static int
text_in(const char *text, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, list[i]) == 0)
			return 1;
	return 0;
}

/* As Go reads a truth value. */
static int
truth_read(const char *text, int *truth)
{
	static const char *const yes[] = {"1",    "t",    "T",
					  "true", "TRUE", "True"};
	static const char *const no[] = {"0",     "f",     "F",
					 "false", "FALSE", "False"};

	*truth = text_in(text, yes, 6);
	return *truth || text_in(text, no, 6) ? AIBRIX_OK : AIBRIX_E_PARSE;
}

static int
number_valid(double x, uint32_t form)
{
	switch (form) {
	case RATE: return x > 1 && x <= 1e6;
	case TOLERANCE: return x >= 0 && x < 1;
	default: return x >= 1.1 && x <= 1000;
	}
}

static int
zero_apply(const char *value, aibrix_scale_opts *o)
{
	int zero, err = truth_read(value, &zero);

	if (err || o->profile == AIBRIX_SCALE_COMPAT)
		return err;
	o->flags &= ~(uint32_t)AIBRIX_SCALE_TO_ZERO;
	if (zero)
		o->flags |= AIBRIX_SCALE_TO_ZERO;
	return AIBRIX_OK;
}

static int
value_apply(const struct key *key, const char *value, aibrix_scale_opts *o)
{
	static const char *const modes[] = {"replica", "pool"};
	uint64_t ns;
	double x;
	int err;

	switch (key->form) {
	case MODE: return text_in(value, modes, 2) ? AIBRIX_OK : AIBRIX_E_PARSE;
	case ZERO: return zero_apply(value, o);
	case WINDOW:
		err = window_read(value, &ns);
		if (!err)
			memcpy((char *)o + key->at, &ns, sizeof(ns));
		break;
	default:
		err = aibrix__decimal_read(value, strlen(value), &x)
			      ? AIBRIX_E_PARSE
			      : AIBRIX_OK;
		if (!err && !number_valid(x, key->form))
			err = AIBRIX_E_INVAL;
		if (!err)
			memcpy((char *)o + key->at, &x, sizeof(x));
		break;
	}
	if (!err)
		o->flags |= key->flag;
	return err;
}

static int
annotation_apply(const aibrix_scale_annotation *a, const char *name,
		 aibrix_scale_opts *o)
{
	const struct key *key = key_find(name);

	if (!key)
		return o->profile == AIBRIX_SCALE_COMPAT ? AIBRIX_OK
							 : AIBRIX_E_NOT_FOUND;
	if (!a->value || strnlen(a->value, OBJECT_TEXT_MAX) == OBJECT_TEXT_MAX)
		return AIBRIX_E_PARSE;
	return value_apply(key, a->value, o);
}

int
aibrix_scale_annotations_read(const aibrix_scale_annotation *annotations,
			      uint32_t n, aibrix_scale_opts *opts,
			      aibrix_scale_fault *fault)
{
	aibrix_scale_opts o;
	int err = opts ? aibrix__struct_load(&o, sizeof(o), opts, OPTS_V1)
		       : AIBRIX_E_INVAL;

	if (!err && ((n && !annotations) || o.profile > AIBRIX_SCALE_COMPAT))
		err = AIBRIX_E_INVAL;
	if (err)
		return aibrix__fault(fault, err, AIBRIX_SCALE_OBJECT_OPTIONS,
				     0);
	for (uint32_t i = 0; i < n; i++) {
		const char *key = annotations[i].key;
		const char *name = key ? name_of(key) : NULL;

		err = key ? AIBRIX_OK : AIBRIX_E_INVAL;
		if (name)
			err = annotation_apply(&annotations[i], name, &o);
		for (uint32_t k = 0; !err && name && k < i; k++)
			if (strcmp(key, annotations[k].key) == 0)
				err = AIBRIX_E_INVAL;
		if (err)
			return aibrix__fault(
				fault, err,
				err == AIBRIX_E_NOT_FOUND
					? AIBRIX_SCALE_OBJECT_UNKNOWN
					: AIBRIX_SCALE_OBJECT_ANNOTATION,
				i);
	}
	err = aibrix__struct_store(opts, &o, sizeof(o), OPTS_V1);
	return aibrix__fault(fault, err, AIBRIX_SCALE_OBJECT_VALID, 0);
}
