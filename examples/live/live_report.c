/*
 * What is said: a line for each thing that happens and for each decision, on
 * stdout, as text or as JSON.  Nothing of it comes from a page but numbers.
 */
#include "live/live.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { TIME_BYTES = 40, TEXT_BYTES = 400 };

static void
time_write(char *out)
{
	uint64_t now_ns = live_now();
	time_t seconds = (time_t)(now_ns / LIVE_SECOND_NS);
	struct tm tm;
	size_t n = 0;

	if (gmtime_r(&seconds, &tm))
		n = strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIME_BYTES - n, ".%03uZ",
		 (unsigned)(now_ns % LIVE_SECOND_NS / LIVE_MS_NS));
}

/* A text in quotes. */
static void
json_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
json_number(const char *name, double value)
{
	if (isfinite(value))
		printf(",\"%s\":%.17g", name, value);
	else
		printf(",\"%s\":null", name);
}

void
live_say(const live *l, const live_pod *pod, const char *event,
	 const char *format, ...)
{
	char text[TEXT_BYTES], when[TIME_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	time_write(when);
	if (l->options.json) {
		printf("{\"time\":\"%s\",\"event\":\"%s\"", when, event);
		if (pod)
			printf(",\"port\":%u,\"pid\":%ld", (unsigned)pod->port,
			       (long)pod->process.pid);
		fputs(",\"text\":", stdout);
		json_text(text);
		puts("}");
	} else {
		printf("%s ", when);
		if (pod)
			printf("pod %u%s", (unsigned)pod->port,
			       pod->process.pid ? "" : ": ");
		if (pod && pod->process.pid)
			printf(" (%ld): ", (long)pod->process.pid);
		puts(text);
	}
	fflush(stdout);
}

/* ---- decisions ---- */

static const char *
limit_name(uint32_t limit)
{
	static const char *const names[] = {
		[AIBRIX_SCALE_UNLIMITED] = "none",
		[AIBRIX_SCALE_BY_UP_WINDOW] = "up window",
		[AIBRIX_SCALE_BY_DOWN_WINDOW] = "down window",
		[AIBRIX_SCALE_BY_DELAY] = "delay",
		[AIBRIX_SCALE_BY_GRACE] = "zero grace",
		[AIBRIX_SCALE_BY_UP_RATE] = "up rate",
		[AIBRIX_SCALE_BY_DOWN_RATE] = "down rate",
		[AIBRIX_SCALE_BY_MAX] = "maximum",
		[AIBRIX_SCALE_BY_MIN] = "minimum"};

	return limit < sizeof(names) / sizeof(names[0]) ? names[limit] : "?";
}

static const char *
schedule_name(const live *l, const live_seen *seen)
{
	uint32_t active = seen->bounds->active;

	return active < l->options.n_windows ? l->options.window_names[active]
					     : NULL;
}

static void
values_json(const live *l)
{
	fputs(",\"values\":{", stdout);
	for (uint32_t m = 0; m < l->options.scale.n_metrics; m++) {
		const char *before = "";

		printf("%s\"%s\":{", m ? "," : "", l->options.metrics[m].text);
		for (uint32_t i = 0; i < l->n_pods; i++) {
			if (l->pods[i].phase != LIVE_READY)
				continue;
			printf("%s\"%u\":", before, (unsigned)l->pods[i].port);
			before = ",";
			if (isfinite(l->values[m][i]))
				printf("%.17g", l->values[m][i]);
			else
				fputs("null", stdout);
		}
		putchar('}');
	}
	putchar('}');
}

static void
demand_json(const live *l)
{
	const aibrix_demand *d = &l->demand;

	fputs(",\"demand\":{\"reason\":", stdout);
	json_text(aibrix_demand_reason_text(d->reason));
	json_number("wanted", d->wanted);
	json_number("arrivals", d->arrivals);
	json_number("forecast", d->forecast);
	json_number("start_s", d->start_s);
	json_number("capacity", d->capacity);
	json_number("use", d->use);
	json_number("ttft_s", d->ttft_s);
	json_number("itl_s", d->itl_s);
	printf(",\"learned\":%s}", d->learned ? "true" : "false");
}

static void
demand_text(const live *l)
{
	const aibrix_demand *d = &l->demand;

	printf("; %s", aibrix_demand_reason_text(d->reason));
	if (isfinite(d->forecast))
		printf(", %.4g requests/s in %.4g s", d->forecast, d->start_s);
	if (isfinite(d->capacity))
		printf(", a pod bears %.4g", d->capacity);
}

static void
decision_json(const live *l, const live_seen *seen, const char *when)
{
	const aibrix_scale_decision *d = seen->decision;
	const char *schedule = schedule_name(l, seen);

	printf("{\"time\":\"%s\",\"event\":\"decision\",\"tick\":%llu,"
	       "\"replicas\":%d,\"to\":%d,\"valid\":%s,\"reason\":\"%s\","
	       "\"metric\":\"%s\",\"wanted\":%d,\"stabilized\":%d,"
	       "\"held_by\":\"%s\",\"limited_by\":\"%s\",\"panic\":%s,"
	       "\"ready\":%u,\"coming\":%u,\"missing\":%u,\"min\":%d,"
	       "\"max\":%d,\"schedule\":",
	       when, (unsigned long long)l->tick_count,
	       (int)seen->fleet->replicas, (int)d->replicas,
	       d->valid ? "true" : "false", aibrix_scale_reason_text(d->reason),
	       l->options.metrics[d->metric].text, (int)d->wanted,
	       (int)d->stabilized, limit_name(d->held_by),
	       limit_name(d->limited_by), d->panic ? "true" : "false",
	       (unsigned)d->ready, (unsigned)d->coming, (unsigned)d->missing,
	       (int)seen->bounds->min_replicas,
	       (int)seen->bounds->max_replicas);
	if (schedule)
		json_text(schedule);
	else
		fputs("null", stdout);
	json_number("queued", seen->queue_known && l->gateway.easy
				      ? seen->fleet->queued
				      : (double)NAN);
	json_number("stable", d->stable);
	json_number("panicking", d->panicking);
	json_number("utilization", d->utilization);
	if (l->demand.size)
		demand_json(l);
	values_json(l);
	puts("}");
}

static void
decision_text(const live *l, const live_seen *seen, const char *when)
{
	const aibrix_scale_decision *d = seen->decision;
	const char *schedule = schedule_name(l, seen);

	if (d->change)
		printf("%s replicas %d -> %d: ", when,
		       (int)seen->fleet->replicas, (int)d->replicas);
	else
		printf("%s replicas %d: ", when, (int)d->replicas);
	fputs(aibrix_scale_reason_text(d->reason), stdout);
	if (isfinite(d->stable))
		printf("; %s %.4g, target %.4g, wants %d",
		       l->options.metrics[d->metric].text, d->stable,
		       l->options.targets[d->metric].target, (int)d->wanted);
	if (l->demand.size)
		demand_text(l);
	if (d->panic)
		fputs(", panic", stdout);
	if (d->held_by)
		printf(", held by %s", limit_name(d->held_by));
	if (d->limited_by)
		printf(", cut by %s", limit_name(d->limited_by));
	printf("; %u ready, %u coming", (unsigned)d->ready,
	       (unsigned)d->coming);
	if (d->missing)
		printf(", %u values missing", (unsigned)d->missing);
	if (l->gateway.easy && seen->queue_known)
		printf("; %.4g queued", seen->fleet->queued);
	if (l->gateway.easy && !seen->queue_known)
		fputs("; nobody knows what is queued", stdout);
	if (schedule)
		printf("; schedule %s", schedule);
	putchar('\n');
}

void
live_say_decision(const live *l, const live_seen *seen)
{
	char when[TIME_BYTES];

	time_write(when);
	if (l->options.json)
		decision_json(l, seen, when);
	else
		decision_text(l, seen, when);
	fflush(stdout);
}
