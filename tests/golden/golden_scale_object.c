/* The HPA that AIBrix makes, row by row (hpa_resources.go). */

#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/scale_object.h>

enum { NOTES = 4 };

struct made {
	int err;
	aibrix_hpa hpa;
	aibrix_hpa_metric metric;
	aibrix_scale_fault fault;
};

static aibrix_scale_source
pods(const char *target)
{
	return (aibrix_scale_source){.type = "pod",
				     .protocol = "http",
				     .port = "8000",
				     .path = "/metrics",
				     .metric = "num_requests_running",
				     .target = target};
}

static aibrix_scale_source
resource(const char *name, const char *target)
{
	return (aibrix_scale_source){
		.type = "resource", .metric = name, .target = target};
}

static struct made
make(const aibrix_scale_source *source, uint32_t profile, const char *up,
     const char *down)
{
	const aibrix_scale_annotation notes[] = {
		{"autoscaling.aibrix.ai/max-scale-up-rate", up},
		{"autoscaling.aibrix.ai/max-scale-down-rate", down}};
	const aibrix_scale_object o = {.size = sizeof(o),
				       .kind = "Deployment",
				       .name = "llama",
				       .strategy = "HPA",
				       .max_replicas = 10,
				       .sources = source,
				       .n_sources = 1,
				       .annotations = notes,
				       .n_annotations = up ? 2 : 0};
	struct made m = {.hpa = {.size = sizeof(m.hpa)}};

	m.err = aibrix_scale_object_hpa(&o, profile, &m.hpa, &m.metric,
					&m.fault);
	return m;
}

Test(scale_object_golden, hpa01_rates_and_windows_by_default)
{
	aibrix_scale_source s = resource("cpu", "50");

	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct made m = make(&s, profile, NULL, NULL);

		cr_assert_eq(m.err, AIBRIX_OK);
		cr_expect_eq(m.hpa.n_metrics, 1);
		cr_expect_eq(m.hpa.min_replicas, 1);
		cr_expect_eq(m.hpa.max_replicas, 10);
		cr_expect_eq(m.hpa.up_percent, 100);
		cr_expect_eq(m.hpa.up_period_s, 60);
		cr_expect_eq(m.hpa.up_window_s, 0);
		cr_expect_eq(m.hpa.up_select, AIBRIX_SCALE_SELECT_MAX);
		cr_expect_eq(m.hpa.down_percent, 50);
		cr_expect_eq(m.hpa.down_period_s, 60);
		cr_expect_eq(m.hpa.down_window_s, 300);
		cr_expect_eq(m.hpa.down_select, AIBRIX_SCALE_SELECT_MIN);
	}
}

Test(scale_object_golden, hpa02_targets_of_resources)
{
	static const struct {
		const char *name, *target;
		uint32_t kind;
		int32_t percent;
		int64_t milli;
	} rows[] = {
		{"cpu", "50", AIBRIX_HPA_UTILIZATION, 50, 0},
		{"cpu", "30", AIBRIX_HPA_UTILIZATION, 30, 0},
		{"cpu", "29.5", AIBRIX_HPA_UTILIZATION, 30, 0},
		{"memory", "128", AIBRIX_HPA_AVERAGE_VALUE, 0, 134217728000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (uint32_t profile = 0; profile <= 1; profile++) {
			aibrix_scale_source s =
				resource(rows[i].name, rows[i].target);
			struct made m = make(&s, profile, NULL, NULL);

			cr_assert_eq(m.err, AIBRIX_OK);
			cr_expect_str_eq(m.metric.name, rows[i].name);
			cr_expect_eq(m.metric.source, AIBRIX_HPA_RESOURCE);
			cr_expect_eq(m.metric.target, rows[i].kind);
			cr_expect_eq(m.metric.percent, rows[i].percent);
			cr_expect_eq(m.metric.milli, rows[i].milli);
		}
}

Test(scale_object_golden, hpa03_percents_of_rates)
{
	static const struct {
		const char *up, *down;
		int32_t up_percent, down_percent;
	} rows[] = {{"3", "3", 200, 66}, {"1.5", "4", 50, 75}};
	aibrix_scale_source s = pods("20");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct made m =
			make(&s, AIBRIX_SCALE_COMPAT, rows[i].up, rows[i].down);

		cr_assert_eq(m.err, AIBRIX_OK);
		cr_expect_eq(m.hpa.up_percent, rows[i].up_percent);
		cr_expect_eq(m.hpa.down_percent, rows[i].down_percent);
	}
	for (uint32_t profile = 0; profile <= 1; profile++) {
		struct made m = make(&s, profile, "1.0", "2");

		cr_expect_eq(m.err, AIBRIX_E_INVAL);
		cr_expect_eq(m.fault.reason, AIBRIX_SCALE_OBJECT_ANNOTATION);
		cr_expect_eq(m.fault.which, 0);
		m = make(&s, profile, "1.001", "2");
		cr_expect_eq(m.err, AIBRIX_E_INVAL);
		cr_expect_eq(m.fault.reason, AIBRIX_SCALE_OBJECT_OPTIONS);
	}
}

/* AIBrix cuts; thousandths are kept. */
Test(scale_object_golden, hpa03_a_third_and_a_hair_less_than_29_percent)
{
	aibrix_scale_source s = pods("20");
	struct made m = make(&s, AIBRIX_SCALE_COMPAT, "1.29", "3");

	cr_expect_eq(m.hpa.up_percent, 29 - 1 * (1.29 - 1 < 0.29));
	m = make(&s, AIBRIX_SCALE_DEFAULT, "1.29", "3");
	cr_expect_eq(m.hpa.up_percent, 29);
	cr_expect_eq(m.hpa.down_percent, 67);
}

Test(scale_object_golden, hpa04_a_target_of_half_a_request)
{
	aibrix_scale_source s = pods("0.5");
	struct made m = make(&s, AIBRIX_SCALE_COMPAT, NULL, NULL);

	cr_expect_eq(m.err, AIBRIX_E_INVAL);
	cr_expect_eq(m.fault.reason, AIBRIX_SCALE_OBJECT_SOURCES);
	m = make(&s, AIBRIX_SCALE_DEFAULT, NULL, NULL);
	cr_assert_eq(m.err, AIBRIX_OK);
	cr_expect_eq(m.metric.source, AIBRIX_HPA_PODS);
	cr_expect_eq(m.metric.milli, 500);
	s = pods("2.5");
	m = make(&s, AIBRIX_SCALE_COMPAT, NULL, NULL);
	cr_assert_eq(m.err, AIBRIX_OK);
	cr_expect_eq(m.metric.milli, 2000);
}

/* Containers' millicores add up. */
Test(scale_object_golden, abx09_30_and_20_cores_are_50000)
{
	int64_t a, b;

	cr_assert_eq(aibrix_quantity_read("30", 2, &a), AIBRIX_OK);
	cr_assert_eq(aibrix_quantity_read("20000m", 6, &b), AIBRIX_OK);
	cr_expect_eq(a + b, 50000);
}
