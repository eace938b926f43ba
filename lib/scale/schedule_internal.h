/* What a window may be. */
#ifndef SCALE_SCHEDULE_INTERNAL_H
#define SCALE_SCHEDULE_INTERNAL_H

#include <aibrix/schedule.h>

enum { SCHEDULES_MAX = 256, DAY_MINUTES = 1440 };

int aibrix__window_valid(const aibrix_schedule_window *w);

#endif
