/*
 * Bytes as windows, a zone and a walk from transition to transition; or, when
 * the first is 1 modulo 4, lines of them as the texts of schedules: what is
 * read resolves.
 */

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
	choices.data = data + 1;
	choices.left = len - 1;
	check(schedule_program_run(choices, NO_FAULT) == NULL);
	return 0;
}
