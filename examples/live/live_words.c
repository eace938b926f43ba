/* The parts of the command line that are more than a number. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aibrix/scrape.h>

#include "live/live_options.h"

int
live_fail(const char *option, const char *text, const char *what)
{
	fprintf(stderr, "autoscale_live: --%s %.200s: %s\n", option, text,
		what);
	return -1;
}

int
live_duration_read(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{"", 1e9}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	char *end;
	double value;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -1;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		value *= units[i].ns;
		if (!(value >= 0 && value <= 1e18))
			return -1;
		*ns = (uint64_t)llround(value);
		return 0;
	}
	return -1;
}

/* Digits up to end, at most max. */
static int
whole_read(const char *text, const char **end, uint64_t max, uint64_t *out)
{
	unsigned long long value;
	char *stop;

	if (!isdigit((unsigned char)text[0]))
		return -1;
	errno = 0;
	value = strtoull(text, &stop, 10);
	if (errno || value > max)
		return -1;
	*end = stop;
	*out = value;
	return 0;
}

static int
port_add(live_options *o, uint64_t port)
{
	for (uint32_t i = 0; i < o->n_ports; i++)
		if (o->ports[i] == port)
			return -1;
	if (o->n_ports == LIVE_PODS_MAX)
		return -1;
	o->ports[o->n_ports++] = (uint16_t)port;
	return 0;
}

/* 9100-9110,9200 */
int
live_ports_parse(live_options *o, const char *text)
{
	const char *at = text;
	uint64_t first, last;

	o->n_ports = 0;
	for (;;) {
		if (whole_read(at, &at, 65535, &first) || first == 0)
			break;
		last = first;
		if (*at == '-' &&
		    (whole_read(at + 1, &at, 65535, &last) || last < first))
			break;
		for (; first <= last; first++)
			if (port_add(o, first))
				return live_fail("ports", text,
						 "a port twice, or more than "
						 "256 of them");
		if (*at == '\0')
			return 0;
		if (*at++ != ',')
			break;
	}
	return live_fail("ports", text, "not of the form 9100-9110,9200");
}

/* One word, as a shell reads it without its expansions; written where it is
 * read, since it only gets shorter.  NULL: a quote is not closed. */
static char *
word_take(char **at)
{
	char *from = *at, *to = *at;
	char quote = 0;

	for (; *from && (quote || !isspace((unsigned char)*from)); from++) {
		if (quote ? *from == quote : *from == '\'' || *from == '"') {
			quote = quote ? 0 : *from;
			continue;
		}
		if (*from == '\\' && quote != '\'' && from[1])
			from++;
		*to++ = *from;
	}
	*at = *from ? from + 1 : from;
	*to = '\0';
	return quote ? NULL : to;
}

int
live_words_parse(live_options *o, const char *text)
{
	char *at, *word;

	free(o->words_own);
	free(o->words);
	o->n_words = 0;
	o->words = calloc(LIVE_WORDS_MAX, sizeof(*o->words));
	o->words_own = strdup(text);
	if (!o->words || !o->words_own)
		return live_fail("command", text, "out of memory");
	at = o->words_own;
	for (;;) {
		while (isspace((unsigned char)*at))
			at++;
		if (!*at)
			return 0;
		word = at;
		if (!word_take(&at))
			return live_fail("command", text,
					 "a quote that is not closed");
		if (o->n_words == LIVE_WORDS_MAX)
			return live_fail("command", text, "too many words");
		o->words[o->n_words++] = word;
	}
}

/* Better now than as a pod that never starts. */
int
live_command_check(const live_options *o)
{
	const char *name = o->words[0];
	const char *path = getenv("PATH");
	char file[4096];

	if (strchr(name, '{'))
		return 0;
	if (strchr(name, '/')) {
		if (access(name, X_OK) == 0)
			return 0;
		return live_fail("command", name, strerror(errno));
	}
	while (path && *path) {
		size_t n = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, name);
		if (access(file, X_OK) == 0)
			return 0;
		path += n + (path[n] == ':');
	}
	return live_fail("command", name, "no such program in PATH");
}

/* NAME, NAME:rate, NAME:mean, NAME:p95 */
int
live_metric_parse(live_options *o, const char *text)
{
	const char *how = strchr(text, ':');
	live_metric *m = &o->metrics[o->scale.n_metrics];
	uint32_t type;
	char name[64];
	char *end;
	size_t n = how ? (size_t)(how - text) : strlen(text);

	if (o->scale.n_metrics == LIVE_METRICS_MAX)
		return live_fail("metric", text, "more than 16 of them");
	snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0,
		 text);
	*m = (live_metric){.text = text, .series = aibrix_series_find(name)};
	if (m->series == AIBRIX_SERIES_MAX)
		return live_fail("metric", text,
				 "no such metric; --help has the names");
	type = aibrix_series_type(m->series);
	if (how && strcmp(how, ":rate") == 0) {
		m->how = LIVE_RATE;
	} else if (how && strcmp(how, ":mean") == 0) {
		m->how = LIVE_MEAN;
	} else if (how && how[1] == 'p' && isdigit((unsigned char)how[2])) {
		m->how = LIVE_QUANTILE;
		m->share = strtod(how + 2, &end) / 100;
		if (*end || !(m->share > 0 && m->share <= 1))
			return live_fail("metric", text, "not p1 to p100");
	} else if (how) {
		return live_fail("metric", text,
				 "only :rate, :mean and :p95 may follow");
	}
	if (m->how == LIVE_VALUE && type != AIBRIX_SERIES_GAUGE)
		return live_fail("metric", text,
				 "only grows: say :rate, or of a histogram "
				 ":mean or :p95");
	if ((m->how == LIVE_RATE && type == AIBRIX_SERIES_GAUGE) ||
	    ((m->how == LIVE_MEAN || m->how == LIVE_QUANTILE) &&
	     type != AIBRIX_SERIES_HISTOGRAM))
		return live_fail("metric", text, "this metric has none");
	o->scale.n_metrics++;
	return 0;
}

int
live_target_parse(live_options *o, const char *text)
{
	aibrix_scale_metric *last;
	char *end;
	double value = strtod(text, &end);

	if (o->scale.n_metrics == 0)
		return live_fail("target", text, "belongs behind a --metric");
	last = &o->targets[o->scale.n_metrics - 1];
	if (last->target > 0)
		return live_fail("target", text, "its metric has one");
	if (end == text || *end || !(value >= 1e-3 && value <= 1e15))
		return live_fail("target", text,
				 "must be a number between 0.001 and 1e15");
	last->target = value;
	return 0;
}

static int
name_find(const char *option, const char *text, const char *const *names,
	  uint32_t n, uint32_t *out)
{
	char message[128] = "must be";
	size_t at = strlen(message);

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = i;
			return 0;
		}
		at += (size_t)snprintf(message + at, sizeof(message) - at,
				       "%s %s", i ? " or" : "", names[i]);
	}
	return live_fail(option, text, message);
}

int
live_strategy_parse(live_options *o, const char *text)
{
	static const char *const names[] = {[AIBRIX_SCALE_APA] = "apa",
					    [AIBRIX_SCALE_KPA] = "kpa",
					    [AIBRIX_SCALE_HPA] = "hpa",
					    [AIBRIX_SCALE_TPA] = "tpa"};

	return name_find("strategy", text, names, 4, &o->scale.strategy);
}

int
live_profile_parse(live_options *o, const char *text)
{
	static const char *const names[] = {[AIBRIX_SCALE_DEFAULT] = "default",
					    [AIBRIX_SCALE_COMPAT] = "compat"};

	return name_find("profile", text, names, 2, &o->scale.profile);
}

int
live_engine_parse(live_options *o, const char *text)
{
	o->engine = aibrix_engine_find(text);
	if (o->engine)
		return 0;
	return live_fail("engine", text,
			 "must be vllm, sglang, trtllm or xllm");
}

/* 10ms,20ms,0.02ms: a step, what a full KV cache adds, a prompt token */
int
live_step_parse(live_options *o, const char *text)
{
	double *const parts[] = {&o->demand.step_s, &o->demand.kv_s,
				 &o->demand.token_s};
	char part[64];
	uint64_t ns;

	for (size_t i = 0; i < 3; i++) {
		size_t n = strcspn(text, ",");

		snprintf(part, sizeof(part), "%.*s",
			 n < sizeof(part) ? (int)n : 0, text);
		if (live_duration_read(part, &ns) ||
		    (text[n] == ',') != (i < 2))
			return live_fail("step", text,
					 "not of the form 10ms,20ms,0.02ms");
		*parts[i] = (double)ns / 1e9;
		text += n + (i < 2);
	}
	return 0;
}

/* 4/15s, 50%/1m */
static int
policy_parse(const char *option, const char *text, aibrix_scale_policy *list,
	     uint32_t *n)
{
	aibrix_scale_policy *p = &list[*n];
	const char *at;
	uint64_t value;

	if (*n == LIVE_POLICIES_MAX)
		return live_fail(option, text, "more than 8 of them");
	if (whole_read(text, &at, INT32_MAX, &value) || value == 0)
		return live_fail(option, text, "not of the form 4/15s");
	p->kind = *at == '%' ? AIBRIX_SCALE_BY_PERCENT : AIBRIX_SCALE_BY_PODS;
	at += *at == '%';
	p->value = (uint32_t)value;
	if (*at != '/' || live_duration_read(at + 1, &p->period_ns) ||
	    p->period_ns == 0 || p->period_ns > 3600000000000)
		return live_fail(option, text,
				 "not of the form 4/15s or 50%/1m, at most an "
				 "hour");
	++*n;
	return 0;
}

int
live_up_parse(live_options *o, const char *text)
{
	return policy_parse("up", text, o->up, &o->scale.n_up);
}

int
live_down_parse(live_options *o, const char *text)
{
	return policy_parse("down", text, o->down, &o->scale.n_down);
}

int
live_label_parse(live_options *o, const char *text)
{
	if (!strchr(text, '=') || text[0] == '=')
		return live_fail("gateway-label", text,
				 "not of the form NAME=VALUE");
	if (o->n_labels == LIVE_LABELS_MAX)
		return live_fail("gateway-label", text, "more than 8 of them");
	o->labels[o->n_labels++] = text;
	return 0;
}
