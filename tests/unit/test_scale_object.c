/* Objects and annotations: what is refused, and what comes of the rest. */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scale_object.h>

#define SECOND ((uint64_t)1000000000)
#define PREFIX "autoscaling.aibrix.ai/"

/* ---- annotations ---- */

struct noted {
	int err;
	aibrix_scale_opts o;
	aibrix_scale_fault fault;
};

static struct noted
note(uint32_t profile, const char *key, const char *value)
{
	const aibrix_scale_annotation a[] = {{"app.kubernetes.io/name", "x"},
					     {key, value}};
	struct noted n = {.o = {.size = sizeof(n.o), .profile = profile}};

	n.err = aibrix_scale_annotations_read(a, 2, &n.o, &n.fault);
	return n;
}

Test(scale_object, annotations_become_options)
{
	static const aibrix_scale_annotation a[] = {
		{PREFIX "max-scale-up-rate", "3"},
		{PREFIX "max-scale-down-rate", "1.5"},
		{PREFIX "scale-up-tolerance", "0"},
		{PREFIX "scale-down-tolerance", "0.25"},
		{PREFIX "panic-threshold", "1.1"},
		{PREFIX "scale-up-cooldown-window", "1m30s"},
		{PREFIX "scale-down-cooldown-window", "0s"},
		{PREFIX "scale-to-zero", "true"},
		{PREFIX "storm-service-mode", "replica"},
		{"other/max-scale-up-rate", "what"},
	};

	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct noted n = {
			.o = {.size = sizeof(n.o), .profile = profile}};

		cr_assert_eq(aibrix_scale_annotations_read(a, 10, &n.o, NULL),
			     AIBRIX_OK);
		cr_expect_eq(n.o.max_up_rate, 3);
		cr_expect_eq(n.o.max_down_rate, 1.5);
		cr_expect_eq(n.o.up_tolerance, 0);
		cr_expect_eq(n.o.down_tolerance, 0.25);
		cr_expect_eq(n.o.panic_threshold, 1.1);
		cr_expect_eq(n.o.up_window_ns, 90 * SECOND);
		cr_expect_eq(n.o.down_window_ns, 0);
		cr_expect_eq(n.o.flags,
			     AIBRIX_SCALE_UP_TOLERANCE_SET |
				     AIBRIX_SCALE_DOWN_TOLERANCE_SET |
				     AIBRIX_SCALE_DOWN_WINDOW_SET |
				     (profile ? 0u : AIBRIX_SCALE_TO_ZERO));
	}
}

Test(scale_object, durations_are_gos)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} rows[] = {{"0", 0},
		    {"-0", 0},
		    {"0s", 0},
		    {"1h", 3600 * SECOND},
		    {"1.5m", 90 * SECOND},
		    {"+1m1s1ms1us1ns", 61 * SECOND + 1001001},
		    {"1\302\265s", 1000},
		    {"1\316\274s", 1000},
		    {".5s", SECOND / 2},
		    {"0.0000000001s", 0},
		    {"3600000000000ns", 3600 * SECOND}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct noted n = note(0, PREFIX "scale-up-cooldown-window",
				      rows[i].text);

		cr_expect_eq(n.err, AIBRIX_OK, "%s", rows[i].text);
		cr_expect_eq(n.o.up_window_ns, rows[i].ns, "%s", rows[i].text);
	}
}

Test(scale_object, a_value_that_cannot_be_is_told_with_its_annotation)
{
	static const struct {
		const char *key, *value;
		int err;
	} rows[] = {
		{"max-scale-up-rate", "", AIBRIX_E_PARSE},
		{"max-scale-up-rate", "two", AIBRIX_E_PARSE},
		{"max-scale-up-rate", "2 ", AIBRIX_E_PARSE},
		{"max-scale-up-rate", "NaN", AIBRIX_E_PARSE},
		{"max-scale-up-rate", "Inf", AIBRIX_E_PARSE},
		{"max-scale-up-rate", "1e999", AIBRIX_E_INVAL},
		{"max-scale-up-rate", "0", AIBRIX_E_INVAL},
		{"max-scale-up-rate", "1", AIBRIX_E_INVAL},
		{"max-scale-down-rate", "-2", AIBRIX_E_INVAL},
		{"max-scale-down-rate", "0.5", AIBRIX_E_INVAL},
		{"scale-up-tolerance", "-0.1", AIBRIX_E_INVAL},
		{"scale-up-tolerance", "1", AIBRIX_E_INVAL},
		{"scale-down-tolerance", "1", AIBRIX_E_INVAL},
		{"panic-threshold", "1", AIBRIX_E_INVAL},
		{"scale-up-cooldown-window", "300", AIBRIX_E_PARSE},
		{"scale-up-cooldown-window", "", AIBRIX_E_PARSE},
		{"scale-up-cooldown-window", "1d", AIBRIX_E_PARSE},
		{"scale-up-cooldown-window", "1h ", AIBRIX_E_PARSE},
		{"scale-up-cooldown-window", "-1s", AIBRIX_E_INVAL},
		{"scale-up-cooldown-window", "1h1ns", AIBRIX_E_INVAL},
		{"scale-up-cooldown-window", "99999999999999999999999999h",
		 AIBRIX_E_INVAL},
		{"scale-down-cooldown-window", "59m61s", AIBRIX_E_INVAL},
		{"scale-to-zero", "yes", AIBRIX_E_PARSE},
		{"storm-service-mode", "pools", AIBRIX_E_PARSE},
		{"storm-service-mode", NULL, AIBRIX_E_PARSE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (uint32_t profile = 0; profile <= 1; profile++) {
			char key[64] = PREFIX;
			struct noted n;

			n = note(profile, strcat(key, rows[i].key),
				 rows[i].value);
			cr_expect_eq(n.err, rows[i].err, "%s: %s", key,
				     rows[i].value);
			cr_expect_eq(n.fault.status, rows[i].err);
			cr_expect_eq(n.fault.reason,
				     AIBRIX_SCALE_OBJECT_ANNOTATION);
			cr_expect_eq(n.fault.which, 1);
		}
}

/* AIBrix applies those that its hash map gives before the bad one. */
Test(scale_object, b9_of_bad_annotations_none_is_applied)
{
	static const aibrix_scale_annotation a[] = {
		{PREFIX "max-scale-up-rate", "3"},
		{PREFIX "scale-up-tolerance", "0.5"},
		{PREFIX "panic-threshold", "none"},
		{PREFIX "scale-to-zero", "true"}};
	aibrix_scale_opts o = {.size = sizeof(o)};
	aibrix_scale_fault fault;

	cr_expect_eq(aibrix_scale_annotations_read(a, 4, &o, &fault),
		     AIBRIX_E_PARSE);
	cr_expect_eq(fault.which, 2);
	cr_expect_eq(o.max_up_rate, 0);
	cr_expect_eq(o.up_tolerance, 0);
	cr_expect_eq(o.flags, 0);
}

Test(scale_object, names_that_nobody_knows_are_told)
{
	static const char *const keys[] = {PREFIX "up-fluctuation-tolerance",
					   PREFIX "window",
					   PREFIX,
					   PREFIX "Max-Scale-Up-Rate",
					   "kpa." PREFIX "scale-down-delay",
					   "apa." PREFIX "max-scale-up-rate"};
	static const aibrix_scale_annotation twice[] = {
		{PREFIX "scale-to-zero", "0"}, {PREFIX "scale-to-zero", "0"}};
	aibrix_scale_opts o = {.size = sizeof(o)};
	aibrix_scale_fault fault;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct noted n = note(AIBRIX_SCALE_DEFAULT, keys[i], "1");

		cr_expect_eq(n.err, AIBRIX_E_NOT_FOUND, "%s", keys[i]);
		cr_expect_eq(n.fault.reason, AIBRIX_SCALE_OBJECT_UNKNOWN);
		cr_expect_eq(n.fault.which, 1);
		n = note(AIBRIX_SCALE_COMPAT, keys[i], "1");
		cr_expect_eq(n.err, AIBRIX_OK, "%s", keys[i]);
	}
	cr_expect_eq(note(0, "kpa.example.com/x", "1").err, AIBRIX_OK);
	cr_expect_eq(aibrix_scale_annotations_read(twice, 2, &o, &fault),
		     AIBRIX_E_INVAL);
	cr_expect_eq(fault.which, 1);
	cr_expect_eq(aibrix_scale_annotations_read(twice, 2, NULL, &fault),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_annotations_read(NULL, 2, &o, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(note(0, NULL, "1").err, AIBRIX_E_INVAL);
}

/* ---- objects ---- */

struct bed {
	aibrix_scale_object o;
	aibrix_scale_source s[2];
	aibrix_schedule schedule;
	aibrix_scale_annotation note;
	aibrix_scale_opts opts;
	aibrix_scale_metric metrics[2];
	aibrix_scale_policy policies[AIBRIX_SCALE_OBJECT_POLICIES];
	aibrix_scale_fault fault;
};

static void
bed_make(struct bed *b, const char *strategy, uint32_t profile)
{
	memset(b, 0, sizeof(*b));
	b->s[0] = (aibrix_scale_source){.type = "pod",
					.protocol = "http",
					.port = "8000",
					.path = "/metrics",
					.metric = "num_requests_running",
					.target = "20"};
	b->s[1] = (aibrix_scale_source){
		.type = "external", .metric = "queue", .target = "0.5"};
	b->schedule = (aibrix_schedule){.name = "day",
					.start = "09:00",
					.end = "18:00",
					.flags = AIBRIX_SCHEDULE_MIN,
					.min_replicas = 3};
	b->o = (aibrix_scale_object){.size = sizeof(b->o),
				     .api_version = "apps/v1",
				     .kind = "Deployment",
				     .space = "default",
				     .name = "llama",
				     .strategy = strategy,
				     .max_replicas = 10,
				     .sources = b->s,
				     .n_sources = 1,
				     .schedules = &b->schedule,
				     .annotations = &b->note};
	b->opts = (aibrix_scale_opts){.size = sizeof(b->opts),
				      .profile = profile};
}

static int
bed_read(struct bed *b)
{
	return aibrix_scale_object_read(&b->o, &b->opts, b->metrics,
					b->policies, &b->fault);
}

static void
expect_refused(struct bed *b, uint32_t reason)
{
	aibrix_scale_opts was = b->opts;

	cr_expect_eq(aibrix_scale_object_check(&b->o, &b->fault),
		     AIBRIX_E_INVAL);
	cr_expect_eq(b->fault.reason, reason, "%u for %u", b->fault.reason,
		     reason);
	cr_expect_eq(bed_read(b), AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&was, &b->opts, sizeof(was)), 0);
}

/* Each change is wrong, and so are all behind it: the first is told. */
Test(scale_object, checks_are_made_in_aibrixs_order)
{
	struct bed b;

	bed_make(&b, "APA", 0);
	b.o.n_sources = 0;
	expect_refused(&b, AIBRIX_SCALE_OBJECT_SOURCES);
	b.o.flags |= AIBRIX_SCALE_OBJECT_HAS_SCHEDULES;
	expect_refused(&b, AIBRIX_SCALE_OBJECT_SCHEDULES);
	b.o.flags |= AIBRIX_SCALE_OBJECT_HAS_PANIC;
	expect_refused(&b, AIBRIX_SCALE_OBJECT_WINDOWS);
	b.o.strategy = "apa";
	expect_refused(&b, AIBRIX_SCALE_OBJECT_STRATEGY);
	b.o.max_replicas = 0;
	expect_refused(&b, AIBRIX_SCALE_OBJECT_BOUNDS);
	b.o.name = "";
	expect_refused(&b, AIBRIX_SCALE_OBJECT_TARGET);
}

Test(scale_object, every_rule_of_members_refuses)
{
	struct bed b;

#define BAD(change, reason)                                                    \
	do {                                                                   \
		bed_make(&b, "APA", 0);                                        \
		change;                                                        \
		expect_refused(&b, reason);                                    \
	} while (0)
	BAD(b.o.kind = NULL, AIBRIX_SCALE_OBJECT_TARGET);
	BAD(b.o.name = NULL, AIBRIX_SCALE_OBJECT_TARGET);
	BAD((b.o.flags = AIBRIX_SCALE_OBJECT_HAS_MIN, b.o.min_replicas = -1),
	    AIBRIX_SCALE_OBJECT_BOUNDS);
	BAD((b.o.flags = AIBRIX_SCALE_OBJECT_HAS_MIN, b.o.min_replicas = 11),
	    AIBRIX_SCALE_OBJECT_BOUNDS);
	BAD(b.o.max_replicas = -1, AIBRIX_SCALE_OBJECT_BOUNDS);
	BAD(b.o.strategy = NULL, AIBRIX_SCALE_OBJECT_STRATEGY);
	BAD((b.o.strategy = "HPA", b.o.role = "decode"),
	    AIBRIX_SCALE_OBJECT_STRATEGY);
	BAD((b.o.flags = AIBRIX_SCALE_OBJECT_HAS_OBSERVE, b.o.observe_s = 3601),
	    AIBRIX_SCALE_OBJECT_WINDOWS);
	BAD((b.o.flags = AIBRIX_SCALE_OBJECT_HAS_OBSERVE, b.o.observe_s = 59),
	    AIBRIX_SCALE_OBJECT_WINDOWS);
	BAD((b.o.flags = AIBRIX_SCALE_OBJECT_HAS_PANIC, b.o.panic_s = 181),
	    AIBRIX_SCALE_OBJECT_WINDOWS);
	BAD((b.o.flags = AIBRIX_SCALE_OBJECT_HAS_SCHEDULES, b.o.n_schedules = 1,
	     b.schedule.min_replicas = 11),
	    AIBRIX_SCALE_OBJECT_SCHEDULES);
#undef BAD
	bed_make(&b, "APA", 0);
	b.o.flags = 16;
	cr_expect_eq(bed_read(&b), AIBRIX_E_ABI);
	b.o.flags = 0;
	b.o.spare = 1;
	cr_expect_eq(bed_read(&b), AIBRIX_E_ABI);
	b.o.spare = 0;
	b.o.size = 8;
	cr_expect_eq(bed_read(&b), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_scale_object_check(NULL, NULL), AIBRIX_E_INVAL);
}

Test(scale_object, every_rule_of_sources_refuses)
{
	struct bed b;

#define BAD(change)                                                            \
	do {                                                                   \
		bed_make(&b, "APA", 0);                                        \
		b.o.n_sources = 2;                                             \
		change;                                                        \
		expect_refused(&b, AIBRIX_SCALE_OBJECT_SOURCES);               \
		cr_expect_eq(b.fault.which, 1);                                \
	} while (0)
	BAD(b.s[1].type = "queue");
	BAD(b.s[1].type = NULL);
	BAD(b.s[1].metric = "");
	BAD(b.s[1].target = "0");
	BAD(b.s[1].target = "-5");
	BAD(b.s[1].target = "1e999");
	BAD(b.s[1].endpoint = "optimizer");
	BAD((b.s[1].endpoint = "optimizer", b.s[1].protocol = "http"));
	BAD((b.s[1] = b.s[0], b.s[1].port = NULL));
	BAD((b.s[1] = b.s[0], b.s[1].path = ""));
	BAD((b.s[1] = b.s[0], b.s[1].protocol = "grpc"));
	BAD((b.s[1].type = "resource", b.s[1].metric = "gpu"));
	BAD((b.s[1].type = "resource", b.s[1].metric = "cpu",
	     b.s[1].port = "80"));
#undef BAD
	bed_make(&b, "APA", 0);
	b.s[0].target = "NaN";
	cr_expect_eq(bed_read(&b), AIBRIX_E_PARSE);
	b.s[0].target = NULL;
	cr_expect_eq(bed_read(&b), AIBRIX_E_PARSE);
	b.s[0].target = "20";
	b.s[0].spare = 1;
	cr_expect_eq(bed_read(&b), AIBRIX_E_ABI);
}

Test(scale_object, an_object_becomes_options)
{
	struct bed b;

	bed_make(&b, "KPA", 0);
	b.o.n_sources = 2;
	b.o.n_annotations = 1;
	b.note = (aibrix_scale_annotation){PREFIX "panic-threshold", "3"};
	b.opts.fresh_ns = 5;
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.opts.strategy, AIBRIX_SCALE_KPA);
	cr_expect_eq(b.opts.min_replicas, 1);
	cr_expect_eq(b.opts.max_replicas, 10);
	cr_expect_eq(b.opts.stable_ns, 0);
	cr_expect_eq(b.opts.panic_threshold, 3);
	cr_expect_eq(b.opts.fresh_ns, 5);
	cr_expect_eq(b.opts.n_metrics, 2);
	cr_expect_eq(b.opts.metrics, b.metrics);
	cr_expect_eq(b.metrics[0].kind, AIBRIX_SCALE_PODS);
	cr_expect_eq(b.metrics[0].target, 20);
	cr_expect_eq(b.metrics[1].kind, AIBRIX_SCALE_TOTAL);
	cr_expect_eq(b.metrics[1].target, 0.5);
	cr_expect_eq(b.opts.n_up, 0);

	b.o.flags = AIBRIX_SCALE_OBJECT_HAS_PANIC;
	b.o.panic_s = 120;
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.opts.stable_ns, 180 * SECOND);
	cr_expect_eq(b.opts.panic_ns, 120 * SECOND);
}

Test(scale_object, to_zero_by_a_minimum_or_by_an_annotation)
{
	struct bed b;

	bed_make(&b, "APA", 0);
	b.o.flags = AIBRIX_SCALE_OBJECT_HAS_MIN;
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.opts.min_replicas, 0);
	cr_expect_eq(b.opts.flags, AIBRIX_SCALE_TO_ZERO);

	bed_make(&b, "APA", 0);
	b.note = (aibrix_scale_annotation){PREFIX "scale-to-zero", "true"};
	b.o.n_annotations = 1;
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.opts.min_replicas, 0);
	b.o.flags = AIBRIX_SCALE_OBJECT_HAS_MIN;
	b.o.min_replicas = 2;
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.opts.min_replicas, 2);
}

Test(scale_object, an_hpa_moves_by_its_percents)
{
	struct bed b;

	bed_make(&b, "HPA", AIBRIX_SCALE_COMPAT);
	b.s[1] = (aibrix_scale_source){
		.type = "resource", .metric = "cpu", .target = "49.1"};
	b.o.n_sources = 2;
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.metrics[1].kind, AIBRIX_SCALE_UTILIZATION);
	cr_expect_eq(b.metrics[1].flags, AIBRIX_SCALE_CPU);
	cr_expect_eq(b.metrics[1].target, 50);
	cr_expect_eq(b.opts.up, b.policies);
	cr_expect_eq(b.opts.n_down, 1);
	cr_expect_eq(b.policies[0].kind, AIBRIX_SCALE_BY_PERCENT);
	cr_expect_eq(b.policies[0].value, 100);
	cr_expect_eq(b.policies[1].value, 50);
	cr_expect_eq(b.policies[1].period_ns, 60 * SECOND);

	bed_make(&b, "HPA", AIBRIX_SCALE_DEFAULT);
	cr_assert_eq(bed_read(&b), AIBRIX_OK);
	cr_expect_eq(b.opts.n_up, 0);
}

Test(scale_object, more_sources_than_metrics_are_refused)
{
	static aibrix_scale_source many[AIBRIX_SCALE_METRICS_MAX + 1];
	struct bed b;

	bed_make(&b, "APA", 0);
	for (int i = 0; i <= AIBRIX_SCALE_METRICS_MAX; i++)
		many[i] = b.s[0];
	b.o.sources = many;
	b.o.n_sources = AIBRIX_SCALE_METRICS_MAX + 1;
	cr_expect_eq(aibrix_scale_object_check(&b.o, NULL), AIBRIX_OK);
	cr_expect_eq(bed_read(&b), AIBRIX_E_INVAL);
	cr_expect_eq(b.fault.reason, AIBRIX_SCALE_OBJECT_OPTIONS);
}

/* ---- conflicts ---- */

static void
expect_key(const aibrix_scale_object *o, const char *want)
{
	char key[64];
	uint64_t n = 0, less = strlen(want) - 1;

	cr_assert_eq(aibrix_scale_object_key(o, key, sizeof(key), &n),
		     AIBRIX_OK);
	cr_expect_eq(n, strlen(want));
	cr_expect_eq(memcmp(key, want, n), 0, "%.*s", (int)n, key);
	cr_expect_eq(aibrix_scale_object_key(o, key, less, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, strlen(want));
	cr_expect_eq(aibrix_scale_object_key(o, NULL, 0, &n), AIBRIX_E_SPACE);
}

Test(scale_object, w8_a_key_says_what_an_object_drives)
{
	struct bed b;
	uint64_t n;

	bed_make(&b, "APA", 0);
	b.o.role = "decode";
	expect_key(&b.o, "apps/v1.Deployment/default/llama");
	b.o.kind = "StormService";
	expect_key(&b.o, "apps/v1.StormService/default/llama/decode");
	b.o.role = NULL;
	b.o.api_version = NULL;
	b.o.space = NULL;
	expect_key(&b.o, ".StormService//llama");
	b.o.name = NULL;
	cr_expect_eq(aibrix_scale_object_key(&b.o, NULL, 0, &n),
		     AIBRIX_E_INVAL);
}

Test(scale_object, reasons_are_those_of_aibrixs_conditions)
{
	cr_expect_str_eq(aibrix_scale_object_reason_text(1),
			 "MissingScaleTargetRef");
	cr_expect_str_eq(aibrix_scale_object_reason_text(2), "InvalidBounds");
	cr_expect_str_eq(aibrix_scale_object_reason_text(3),
			 "InvalidScalingStrategy");
	cr_expect_str_eq(aibrix_scale_object_reason_text(4), "InvalidSpec");
	cr_expect_str_eq(aibrix_scale_object_reason_text(5), "InvalidSpec");
	cr_expect_str_eq(aibrix_scale_object_reason_text(6),
			 "MetricsConfigError");
	cr_expect_str_eq(aibrix_scale_object_reason_text(10), "Unknown");
}
