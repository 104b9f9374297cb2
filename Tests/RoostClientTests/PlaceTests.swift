import RoostClient
import Testing
