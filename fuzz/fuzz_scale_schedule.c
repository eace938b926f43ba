/*
 * Bytes as windows, a zone and a walk from transition to transition; or, when
 * the first is 1 modulo 4, lines of them as the texts of schedules: what is
 * read resolves; 2, rules by cron and a zone, minute by minute; 3, a cron
 * expression: what is read fires at a minute of its own.
 */

#include "../tests/model/cron_program.h"
#include "../tests/model/schedule_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { TEXTS = 4, SCHEDULES = 2 };

static void
check(int right)
{
	if (!right)
		abort();
}

/* Name, start, end and day of each schedule, a line each. */
static void
try_texts(const uint8_t *data, size_t len)
{
	aibrix_schedule s[SCHEDULES] = {{.flags = AIBRIX_SCHEDULE_MIN},
					{.flags = AIBRIX_SCHEDULE_MIN}};
	aibrix_schedule_window w[SCHEDULES];
	aibrix_schedule_bounds b = {.size = sizeof(b)};
	const char *line[TEXTS * SCHEDULES];
	char *text = malloc(len + 1), *at = text;
	uint32_t bad;

	check(text != NULL);
	memcpy(text, data, len);
	text[len] = 0;
	for (uint32_t i = 0; i < TEXTS * SCHEDULES; i++) {
		line[i] = at;
		at += strcspn(at, "\n");
		if (*at)
			*at++ = 0;
	}
	for (uint32_t i = 0; i < SCHEDULES; i++) {
		s[i].name = line[TEXTS * i];
		s[i].start = line[TEXTS * i + 1];
		s[i].end = line[TEXTS * i + 2];
		s[i].days =
			line[TEXTS * i + 3][0] ? &line[TEXTS * i + 3] : NULL;
		s[i].n_days = s[i].days != NULL;
	}
	if (aibrix_schedule_read(s, SCHEDULES, 0, 9, w, &bad))
		check(bad < SCHEDULES);
	else
		check(aibrix_schedule_resolve(w, SCHEDULES, 0, 9, NULL,
					      (int64_t)len, &b) == AIBRIX_OK);
	free(text);
}

static void
try_cron(const uint8_t *data, size_t len)
{
	int64_t from = 1000000000 + (int64_t)len * 1000003, next = from;
	char *own = malloc(len + 1);
	aibrix_cron c;
	int err;

	check(own != NULL);
	memcpy(own, data, len);
	err = aibrix_cron_read(own, len, &c);
	free(own);
	if (err)
		return;
	err = aibrix_cron_next(&c, NULL, from, &next);
	check(err == AIBRIX_E_NOT_FOUND || (!err && next > from));
	if (!err)
		check(next % 60 == 0 && cron_shows(&c, next / 60));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct choices choices = {.rand = 1};

	if (len == 0)
		return 0;
	if (data[0] % 4 == 1) {
		try_texts(data + 1, len - 1);
		return 0;
	}
	if (data[0] % 4 == 3) {
		try_cron(data + 1, len - 1);
		return 0;
	}
	choices.data = data + 1;
	choices.left = len - 1;
	if (data[0] % 4 == 2) {
		check(cron_program_run(choices, CRON_NO_FAULT) == NULL);
		return 0;
	}
	check(schedule_program_run(choices, NO_FAULT) == NULL);
	return 0;
}
