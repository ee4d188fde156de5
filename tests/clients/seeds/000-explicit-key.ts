// seed 000, "Explicit API Keys"
import { createOpenaiVideo } from '@tanstack/ai-openai'

const adapter = createOpenaiVideo('sora-2', process.env.OPENAI_API_KEY!) // corrected: the model comes first since 0.23
