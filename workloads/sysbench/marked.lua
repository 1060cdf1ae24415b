-- One of sysbench's own tests, unchanged, with the simulator's marks around its events: the phase is open from the first event of any
-- thread to the last. The model is on from when all threads are ready: connecting and preparing statements is fast-forward.
-- Environment: TM_TEST (oltp_read_only, ...), TM_PHASE (a name of at most 31 characters; empty: no phase, only the model).
local ffi = require("ffi")
ffi.cdef("int load_attach(int threads); int load_begin(const char *phase); int load_detach(void);")
local marks = ffi.load("/tm/lib/libtmmark.so")
local phase = os.getenv("TM_PHASE") or ""

dofile("/usr/share/sysbench/" .. os.getenv("TM_TEST") .. ".lua")

local inner_init, inner_event, inner_done, begun = thread_init, event, thread_done, false

function thread_init()
   inner_init()
   if marks.load_attach(sysbench.opt.threads) ~= 0 then
      error("the simulator's marks cannot be made")
   end
end

function event()
   if not begun then
      begun = true
      if marks.load_begin(phase) ~= 0 then
         error("the simulator's marks cannot be made")
      end
   end
   inner_event()
end

function thread_done()
   marks.load_detach()
   inner_done()
end
