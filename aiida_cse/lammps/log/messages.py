"""Messages of schedulers, accelerators, shells and MPI about the end of a job, with examples and sources.

Every row is a test: its example has its kind and is found by its own pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["MESSAGES", "Message", "pattern_of"]

_SLURM = "Slurm, src/"
_PBS = "OpenPBS, src/"
_LSF = "IBM Spectrum LSF, command reference of bacct: termination reasons"
_SGE = "Grid Engine, source/daemons/execd/msg_execd.h (log of the daemon, which some sites copy to the job)"
_KOKKOS = "Kokkos, core/src"
_CUDA = "CUDA Runtime API, cudaError"
_HIP = "HIP Runtime API, hipError_t"
_LAMMPS = "LAMMPS, "
_OPEN_MPI = "Open MPI, "
_LIBC = "C library, strsignal(3) and strerror(3)"


@dataclass(frozen=True)
class Message:
    """A message: the kind of failure, a regular expression, a line as it is printed, and where it is from.

    ``source`` begins with the name of the program. ``place`` is ``stderr`` or ``stdout`` of the job, or the
    ``accounting`` of its scheduler. Messages of programs may also be in the output of LAMMPS.
    """

    kind: str
    pattern: str
    example: str
    source: str
    place: str = "stderr"
    compiled: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.pattern, re.I))


#: kinds in order of precedence; a cause precedes what it makes others say
MESSAGES: tuple[Message, ...] = (
    # -- the time given to the job has ended
    Message(
        "time_limit",
        r"due to time limit",
        "slurmstepd: error: *** JOB 81 ON n01 CANCELLED AT 2026-11-30T08:00:00 DUE TO TIME LIMIT ***",
        _SLURM + "slurmd/slurmstepd/req.c",
    ),
    Message(
        "time_limit",
        r"\b(walltime|p?cput) \S+ exceeded",
        "=>> PBS: job killed: walltime 3621 exceeded limit 3600",
        _PBS + "resmom/mom_main.c: mom_over_limit",
    ),
    Message(
        "time_limit",
        r"\bcput job total \S+( secs)? exceeded limit",
        "=>> PBS: job killed: cput job total 361 secs exceeded limit 360 secs",
        _PBS + "resmom/mom_main.c: job_over_limit",
    ),
    Message(
        "time_limit",
        r"\bTERM_(RUNLIMIT|CPULIMIT|DEADLINE|WINDOW)\b",
        "TERM_RUNLIMIT: job killed after reaching LSF run time limit.",
        _LSF,
        "stdout",
    ),
    Message(
        "time_limit",
        r"exceeded (hard |soft )?wall ?(clock )?time",
        "job 48.1 exceeded hard wallclock time - initiate terminate method",
        _SGE,
    ),
    Message(
        "time_limit",
        r'exceeds job (master )?(hard|soft) limit "[hs]_(rt|cpu)"',
        'job 48 exceeds job hard limit "h_cpu" of queue "all.q@n01" (3601.0 > limit:3600.0) - sending SIGKILL',
        _SGE,
    ),
    Message("time_limit", r"CPU time limit exceeded|sigxcpu", "CPU time limit exceeded (core dumped)", _LIBC),
    # -- nothing can be written
    Message("disk_full", r"no space left", "write error: No space left on device", _LIBC),
    Message("disk_full", r"disk quota exceeded", "cp: error writing 'a': Disk quota exceeded", _LIBC),
    Message(
        "disk_full",
        r"file too large|file size limit exceeded|sigxfsz",
        "File size limit exceeded (core dumped)",
        _LIBC,
    ),
    Message("disk_full", r"short write", "ERROR: Short write to file", _LAMMPS + "messages of its I/O"),
    # -- memory of the machine or of the accelerator
    Message(
        "out_of_memory",
        r"\b[1-9]\d* oom[-_]kill|oom-kill:|invoked oom-killer|\boom[ -]killed|out[ _-]of[ _-]memory",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=81.0. Some tasks have been OOM Killed.",
        _SLURM + "plugins/task/cgroup/task_cgroup_memory.c",
    ),
    Message(
        "out_of_memory",
        r"exceeded .*\bmemory|\bmemory limit exceeded",
        "slurmstepd: error: Step 81.0 exceeded memory limit (2100000 > 2048000), being killed",
        _SLURM + "interfaces/jobacct_gather.c",
    ),
    Message(
        "out_of_memory",
        r"\bp?v?mem \S+ exceeded limit",
        "=>> PBS: job killed: vmem 4194368kb exceeded limit 4194304kb",
        _PBS + "resmom/mom_main.c: mom_over_limit",
    ),
    Message(
        "out_of_memory",
        r"\bv?mem job total \S+( k?b)? exceeded limit",
        "=>> PBS: job killed: mem job total 4323312 kb exceeded limit 3145728 kb",
        _PBS + "resmom/mom_main.c: job_over_limit",
    ),
    # the text of the kernel that follows may be empty
    Message(
        "out_of_memory",
        r"\bCgroup (mem|memsw|hugetlb) limit exceeded",
        "Cgroup mem limit exceeded:",
        _PBS + "hooks/cgroups/pbs_cgroups.PY",
    ),
    Message(
        "out_of_memory",
        r"\bTERM_(MEMLIMIT|SWAP)\b",
        "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.",
        _LSF,
        "stdout",
    ),
    Message(
        "out_of_memory",
        r'exceeds job (master )?(hard|soft) limit "[hs]_(vmem|rss|data|stack)"',
        'job 48 exceeds job hard limit "h_vmem" of queue "all.q@n01" (1.2E9 > limit:1.0E9) - sending SIGKILL',
        _SGE,
    ),
    Message(
        "out_of_memory",
        r"failed to (re)?allocate(?! huge)",
        'Kokkos failed to allocate memory for label "atom:x".  Allocation using MemorySpace named "Cuda" failed',
        _KOKKOS,
    ),
    Message(
        "out_of_memory",
        r"memory space failed to allocate",
        'Kokkos ERROR: Cuda memory space failed to allocate 3.2 GiB (label="neighlist:neighbors").',
        _KOKKOS,
    ),
    Message(
        "out_of_memory",
        r"insufficient memory",
        "ERROR on proc 0: Insufficient memory on accelerator (src/GPU/pair_lj_cut_gpu.cpp:110)",
        _LAMMPS + "src/GPU/gpu_extra.h",
    ),
    # 2 is CUDA_ERROR_OUT_OF_MEMORY and hipErrorOutOfMemory
    Message(
        "out_of_memory",
        r"\b(Cuda driver|HIP runtime) error 2\b",
        "Cuda driver error 2 in call at file 'geryon/nvd_device.h' in line 325.",
        _LAMMPS + "lib/gpu/geryon/nvd_macros.h and hip_macros.h",
    ),
    Message(
        "out_of_memory",
        r"(CU|HIP)FFT_ALLOC_FAILED",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "cuFFT, API reference: cufftResult",
    ),
    Message(
        "out_of_memory",
        r"cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY",
        "cudaMalloc(&p, n) error( cudaErrorMemoryAllocation)",
        _CUDA,
    ),
    Message(
        "out_of_memory", r"hipError(OutOfMemory|MemoryAllocation)", "hipMalloc error: hipErrorOutOfMemory", _HIP
    ),
    Message(
        "out_of_memory",
        r"cannot allocate memory|bad_alloc",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "C++ library, std::bad_alloc, and ENOMEM of strerror(3)",
    ),
    Message(
        "out_of_memory",
        r"MemoryError\b|unable to allocate .* for an array",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3.20 GiB for an array with shape (9, 9)",
        "NumPy, numpy/_core/_exceptions.py",
    ),
    # after those of memory: beyond h_vmem, which it names as well, an allocation fails, which the program tells
    Message(
        "time_limit",
        r"(qmaster|execd) enforced h_(rt|cpu)",
        "failed       37  : qmaster enforced h_rt, h_cpu, or h_vmem limit",
        "Grid Engine, qacct(1)",
        "accounting",
    ),
    # -- the program itself
    Message(
        "segmentation_fault",
        r"segmentation fault|sigsegv|signal 11\b|exit (code|status):? 139\b|segfault",
        "[n01:81] Signal: Segmentation fault (11)",
        _LIBC,
    ),
    Message(
        "segmentation_fault",
        r"cudaError(IllegalAddress|LaunchFailure)|illegal memory access",
        "cudaDeviceSynchronize() error( cudaErrorIllegalAddress): an illegal memory access was encountered",
        _CUDA,
    ),
    # -- ended by others, to be continued
    Message(
        "interrupted",
        r"due to (preemption|job requeue|node (\S+ )?failure)|\bCANCELLED AT \S+ \*\*\*",
        "slurmstepd: error: *** STEP 81.0 ON n01 CANCELLED AT 2026-11-30T08:00:00 DUE TO PREEMPTION ***",
        _SLURM + "slurmd/slurmstepd/req.c",
    ),
    Message(
        "interrupted",
        r"\bTERM_(OWNER|ADMIN|PREEMPT|REQUEUE_OWNER|REQUEUE_ADMIN|EXTERNAL_SIGNAL|LOAD|UNKNOWN)\b",
        "TERM_PREEMPT: job killed after preemption.",
        _LSF,
        "stdout",
    ),
    Message(
        "interrupted",
        r"requested job (terminate|die)",
        "=>> PBS: job killed: node 1 (n02) requested job die, code 15059",
        _PBS + "resmom/mom_main.c: job_over_limit",
    ),
    Message(
        "interrupted",
        r"killed \(signal 9\)|terminated \(signal 15\)|exited on signal (9|15)\b",
        "mpirun noticed that process rank 0 with PID 81 on node n01 exited on signal 9 (Killed).",
        _OPEN_MPI + "mpirun",
    ),
    Message(
        "mpi_abort",
        r"mpi_abort|bad termination|fatal error in .*mpi|pmix error|exited on signal",
        "MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD",
        _OPEN_MPI + "MPI_Abort; MPICH: BAD TERMINATION",
    ),
)


def pattern_of(kind: str) -> re.Pattern[str]:
    """Return the regular expression of all messages of a kind."""
    return re.compile("|".join(f"(?:{one.pattern})" for one in MESSAGES if one.kind == kind), re.I)
