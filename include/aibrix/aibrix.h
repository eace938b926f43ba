/* All stable headers. */
#ifndef AIBRIX_AIBRIX_H
#define AIBRIX_AIBRIX_H

#include <aibrix/admit.h>
#include <aibrix/agree.h>
#include <aibrix/backend.h>
#include <aibrix/base.h>
#include <aibrix/cache.h>
#include <aibrix/compat.h>
#include <aibrix/config.h>
#include <aibrix/event.h>
#include <aibrix/evict.h>
#include <aibrix/fleet.h>
#include <aibrix/gpu_profile.h>
#include <aibrix/hash.h>
#include <aibrix/index.h>
#include <aibrix/key_text.h>
#include <aibrix/layout.h>
#include <aibrix/ledger.h>
#include <aibrix/limit.h>
#include <aibrix/meter.h>
#include <aibrix/metric.h>
#include <aibrix/output.h>
#include <aibrix/pd.h>
#include <aibrix/pd_buckets.h>
#include <aibrix/pd_ledger.h>
#include <aibrix/pd_legs.h>
#include <aibrix/pool.h>
#include <aibrix/predict.h>
#include <aibrix/prefix.h>
#include <aibrix/profile.h>
#include <aibrix/queue.h>
#include <aibrix/reply.h>
#include <aibrix/resp.h>
#include <aibrix/rewrite.h>
#include <aibrix/route.h>
#include <aibrix/shfs.h>
#include <aibrix/store.h>
#include <aibrix/stream.h>
#include <aibrix/sync.h>
#include <aibrix/trace.h>
#include <aibrix/version.h>
#include <aibrix/vtc.h>
#include <aibrix/vtc_window.h>
#include <aibrix/window.h>

#endif
