// seed 001, "Video Deletion"
import OpenAI from "openai"; // corrected: the sample goes on from the one before
const client = new OpenAI();

const result = await client.videos.delete(process.env.DELETE_ID_1!); // corrected: "video_abc123" in the sample
console.log(`Video ${result.id} deleted: ${result.deleted}`);
