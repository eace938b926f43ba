/* All stable headers. */
#ifndef AIBRIX_AIBRIX_H
#define AIBRIX_AIBRIX_H

#include <aibrix/base.h>
#include <aibrix/version.h>

#endif
