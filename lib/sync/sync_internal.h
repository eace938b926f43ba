/* A message, and a record in it. */
#ifndef SYNC_SYNC_INTERNAL_H
#define SYNC_SYNC_INTERNAL_H

#include <aibrix/sync.h>

enum {
	MAGIC = 0x6e797361, /* "asyn" */
	VERSION = 1,
	FLAG_STATE = 1,
	HEAD_BYTES = 40,
	SUM_BYTES = 8,
	RECORD_HEAD = 8
};

#endif
