// Some names stand in several modules. A file that imports only one of them can say which is meant.
import WAL

typealias LogLimits = Limits
typealias CheckpointFileWriter = CheckpointWriter
typealias CheckpointFileReader = CheckpointReader
