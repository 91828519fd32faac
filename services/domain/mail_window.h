// When an hour of mails closes. Windows of one length follow each other from 1970 on; Japan's offset is whole hours, so an
// hour's window is an hour of the clock on the wall.
#pragma once

#include "base/time.h"

namespace mimamori::domain {

struct WindowDue {
    enum class Why {
        due,
        window_still_open,    // its end has not come
        clock_went_backwards  // now lies before what was closed already: wait, never close twice
    };
    Why why = Why::window_still_open;
    base::Time start, end;  // with due: from what was closed last to the newest end that has come
};

// The newest end of a window at or before `now`.
base::Time window_end_before(base::Time now, base::Micros length);

// `closed_until` is the end closed last. Several windows missed while the notifier was down close as one.
WindowDue window_due(base::Time closed_until, base::Time now, base::Micros length);

}  // namespace mimamori::domain
